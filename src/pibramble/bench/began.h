/*
 * began.h: put before a program that is compiled for SMPI (-include), so that the time up to the end of MPI_Init can be
 * taken off. SMPI works out who shares a node with whom at a communicator's first collective, by messages of its own that
 * take simulated time, a millisecond a rank; real MPICH has done that when MPI_Init returns. So it is made to happen there.
 */
#ifndef PIBRAMBLE_BEGAN_H
#define PIBRAMBLE_BEGAN_H
#include <mpi.h>
#include <stdio.h>

static int pibramble_began(int result)
{
    double one = 1.0, sum;
    int rank;
    PMPI_Allreduce(&one, &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    PMPI_Barrier(MPI_COMM_WORLD);
    PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0)
        fprintf(stderr, "pibramble began %.9f\n", PMPI_Wtime());
    return result;
}

#undef MPI_Init
#undef MPI_Init_thread
#define MPI_Init(argc, argv) pibramble_began(PMPI_Init(argc, argv))
#define MPI_Init_thread(argc, argv, required, provided) \
    pibramble_began(PMPI_Init_thread(argc, argv, required, provided))
#endif
