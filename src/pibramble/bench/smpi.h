/*
 * smpi.h: put before a program that is compiled for SMPI (-include), where SMPI would mislead about MPICH:
 *
 * MPI_Init. SMPI works out who shares a node with whom at a communicator's first collective, by messages of its own that
 * take simulated time, a millisecond a rank. Real MPICH has done that when MPI_Init returns. So it is made to happen
 * there, and the time up to there is told, to be taken off.
 *
 * MPI_Allreduce. SMPI's "mpich" takes recursive doubling among nodes for every length. MPICH does so for up to 8 bytes,
 * and for fewer elements than ranks; else each rank sums up its part of the vector and all gather the parts (Rabenseifner's
 * algorithm), which on eight nodes moves 1.75 times the vector instead of 3 times, in twice as many steps. So it is from
 * 3.4 to 5.0: maint/tuning/coll/mpir/generic.json in MPICH's source. (The 2 KiB of its variable
 * MPIR_CVAR_ALLREDUCE_SHORT_MSG_SIZE count only where no such table is used. And it takes the largest power of two that is
 * not above the number of ranks; SMPI adds up wrongly where that leaves a rank without a part.)
 */
#ifndef PIBRAMBLE_SMPI_H
#define PIBRAMBLE_SMPI_H
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define PIBRAMBLE_SHORT_BYTES 8

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

static inline int pibramble_by_parts(int count, MPI_Datatype type, MPI_Op op, int ranks)
{
    MPI_Aint lower, extent;
    int commutes;
    PMPI_Type_get_extent(type, &lower, &extent);
    PMPI_Op_commutative(op, &commutes);
    return commutes && lower == 0 && extent * count > PIBRAMBLE_SHORT_BYTES && count >= ranks;
}

static inline int pibramble_allreduce(const void *mine, void *sum, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
    MPI_Aint lower, extent;
    int rank, ranks, result;
    PMPI_Comm_size(comm, &ranks);
    if (ranks < 2 || !pibramble_by_parts(count, type, op, ranks))
        return PMPI_Allreduce(mine, sum, count, type, op, comm);
    PMPI_Comm_rank(comm, &rank);
    PMPI_Type_get_extent(type, &lower, &extent);
    int *counts = (int *)malloc(2 * (size_t)ranks * sizeof *counts), *starts = counts + ranks;
    for (int i = 0, start = 0; i < ranks; start += counts[i++]) {
        counts[i] = count / ranks + (i < count % ranks);
        starts[i] = start;
    }
    void *part = malloc((size_t)(extent * counts[rank]));
    result = PMPI_Reduce_scatter(mine == MPI_IN_PLACE ? sum : mine, part, counts, type, op, comm);
    if (result == MPI_SUCCESS)
        result = PMPI_Allgatherv(part, counts[rank], type, sum, counts, starts, type, comm);
    free(part);
    free(counts);
    return result;
}

#undef MPI_Init
#undef MPI_Init_thread
#undef MPI_Allreduce
#define MPI_Init(argc, argv) pibramble_began(PMPI_Init(argc, argv))
#define MPI_Init_thread(argc, argv, required, provided) \
    pibramble_began(PMPI_Init_thread(argc, argv, required, provided))
#define MPI_Allreduce pibramble_allreduce
#endif
