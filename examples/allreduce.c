/*
 * allreduce.c: what the whole network can do. All ranks add up vectors of growing length, and all get the sum.
 *
 *     usage: allreduce [LARGEST_DOUBLES [REPEATS]]        default 65536 doubles, 10 repeats
 *
 * MPI_Allreduce is the heart of most parallel programs: every step of a simulation ends in one. It is as fast as the
 * slowest wire, so one worker on a serial line holds back four on USB. Compare `-x` that worker with leaving it in.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_LARGEST 65536
#define DEFAULT_REPEATS 10

/* Element i of rank r is r + i, so element i of the sum is known without asking anybody. */
static int sum_is_right(const double *sum, int length, int ranks)
{
    for (int i = 0; i < length; i++)
        if (sum[i] != (double)ranks * (ranks - 1) / 2 + (double)ranks * i)
            return 0;
    return 1;
}

int main(int argc, char **argv)
{
    int rank, ranks;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);

    int largest = argc > 1 ? atoi(argv[1]) : DEFAULT_LARGEST;
    int repeats = argc > 2 ? atoi(argv[2]) : DEFAULT_REPEATS;
    if (largest < 1 || repeats < 1) {
        if (rank == 0)
            fprintf(stderr, "allreduce: LARGEST_DOUBLES and REPEATS must be whole numbers above 0\n");
        MPI_Finalize();
        return 2;
    }
    double *mine = malloc((size_t)largest * sizeof *mine);
    double *sum = malloc((size_t)largest * sizeof *sum);
    if (mine == NULL || sum == NULL) {
        fprintf(stderr, "allreduce: no memory for %d doubles\n", largest);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    for (int i = 0; i < largest; i++)
        mine[i] = rank + i;

    int all_right = 1;
    if (rank == 0)
        printf("%10s %14s   (%d ranks, mean of %d)\n", "doubles", "us", ranks, repeats);
    for (int length = 1; length <= largest; length *= 8) {
        MPI_Allreduce(mine, sum, length, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD); /* opens connections: not counted */
        MPI_Barrier(MPI_COMM_WORLD);
        double began = MPI_Wtime();
        for (int i = 0; i < repeats; i++)
            MPI_Allreduce(mine, sum, length, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
        double mean = (MPI_Wtime() - began) / repeats;

        int right = sum_is_right(sum, length, ranks), right_everywhere;
        MPI_Allreduce(&right, &right_everywhere, 1, MPI_INT, MPI_LAND, MPI_COMM_WORLD);
        all_right = all_right && right_everywhere;
        if (rank == 0) {
            printf("%10d %14.1f%s\n", length, mean * 1e6, right_everywhere ? "" : "   WRONG SUM");
            fflush(stdout);
        }
        if (length > largest / 8)
            break;
    }
    free(mine);
    free(sum);
    MPI_Finalize();
    return all_right ? 0 : 1;
}
