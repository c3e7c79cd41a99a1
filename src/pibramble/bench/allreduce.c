/*
 * allreduce.c: what the whole network does when all ranks add up vectors. As examples/allreduce.c, but every operation
 * is timed by itself, as the slowest rank sees it, and the median counts.
 *
 *     usage: allreduce LARGEST_DOUBLES SECONDS_A_SIZE     prints: bytes times median_us shortest_us
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST_TIMES 500

static int shorter(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double once(const double *mine, double *sum, int length)
{
    MPI_Barrier(MPI_COMM_WORLD);
    double began = MPI_Wtime();
    MPI_Allreduce(mine, sum, length, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    return MPI_Wtime() - began;
}

int main(int argc, char **argv)
{
    static double own[MOST_TIMES], slowest[MOST_TIMES];
    int rank, ranks;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    int largest = argc > 1 ? atoi(argv[1]) : 0;
    double seconds = argc > 2 ? atof(argv[2]) : 0;
    if (largest < 1 || seconds <= 0) {
        fprintf(stderr, "allreduce: LARGEST_DOUBLES and SECONDS_A_SIZE must be above 0\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    double *mine = malloc((size_t)largest * sizeof *mine);
    double *sum = malloc((size_t)largest * sizeof *sum);
    if (mine == NULL || sum == NULL) {
        fprintf(stderr, "allreduce: no memory for %d doubles\n", largest);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    for (int i = 0; i < largest; i++)
        mine[i] = rank + i;
    once(mine, sum, 1); /* opens the connections: not counted */
    for (long length = 1; length <= largest; length *= 8) {
        own[0] = once(mine, sum, (int)length);
        int times = own[0] > 0 && seconds / own[0] < MOST_TIMES ? (int)(seconds / own[0]) : MOST_TIMES;
        times = times < 1 ? 1 : times;
        MPI_Bcast(&times, 1, MPI_INT, 0, MPI_COMM_WORLD); /* rank 0's clock decides for all */
        for (int i = 1; i < times; i++)
            own[i] = once(mine, sum, (int)length);
        MPI_Reduce(own, slowest, times, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
        double expected = (double)ranks * (ranks - 1) / 2 + (double)ranks * (double)(length - 1);
        if (sum[length - 1] != expected) {
            fprintf(stderr, "allreduce: the sum of %ld doubles is wrong\n", length);
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
        if (rank == 0) {
            qsort(slowest, (size_t)times, sizeof *slowest, shorter);
            printf("%ld %d %.3f %.3f\n", length * 8, times, slowest[times / 2] * 1e6, slowest[0] * 1e6);
            fflush(stdout);
        }
    }
    free(mine);
    free(sum);
    MPI_Finalize();
    return 0;
}
