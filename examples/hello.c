/*
 * hello.c: the smallest MPI program. Every rank says who it is and where it runs.
 *
 *     usage: hello
 *
 * The same program runs on every core of the cluster at once. What tells the copies apart is the rank: a number
 * from 0 up. The lines come in any order, since nobody waits for anybody.
 */
#include <mpi.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    int rank, ranks, length;
    char host[MPI_MAX_PROCESSOR_NAME];

    MPI_Init(&argc, &argv);                   /* from here on the ranks know of each other */
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);     /* who am I? */
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);    /* how many are we? */
    MPI_Get_processor_name(host, &length);    /* where am I? */

    printf("hello from rank %d of %d on %s\n", rank, ranks, host);

    MPI_Finalize(); /* nothing of MPI may be called after this */
    return 0;
}
