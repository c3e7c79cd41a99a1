/*
 * allreduce.c: what the whole network can do. All ranks add up vectors of growing length, and all get the sum.
 *
 *     usage: allreduce [LARGEST_DOUBLES [REPEATS [SECONDS]]]        default 65536 doubles, 10 repeats, no limit in time
 *
 * MPI_Allreduce is the heart of most parallel programs: every step of a simulation ends in one. It is as fast as the
 * slowest wire, so one worker on a serial line holds back four on USB. Compare `-x` that worker with leaving it in.
 *
 * Ten sums in a row are timed at once, where there are so many, as the slowest rank sees them: ranks do not leave a
 * barrier together, and a single sum would be timed with that. The median counts: on a busy machine one late answer
 * spoils a mean. A length is done with after REPEATS, or when its SECONDS are over. `pibramble bench` reads what is
 * printed.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_LARGEST 65536
#define DEFAULT_REPEATS 10
#define MOST_REPEATS 500
#define IN_A_ROW 10

static int shorter(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* How long one sum takes, of so many in a row. */
static double timed(const double *mine, double *sum, int length, int in_a_row)
{
    MPI_Barrier(MPI_COMM_WORLD);
    double began = MPI_Wtime();
    for (int i = 0; i < in_a_row; i++)
        MPI_Allreduce(mine, sum, length, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    return (MPI_Wtime() - began) / in_a_row;
}

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
    static double own[MOST_REPEATS], slowest[MOST_REPEATS];
    int rank, ranks;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);

    int largest = argc > 1 ? atoi(argv[1]) : DEFAULT_LARGEST;
    int repeats = argc > 2 ? atoi(argv[2]) : DEFAULT_REPEATS;
    double seconds = argc > 3 ? atof(argv[3]) : 0;
    if (largest < 1 || repeats < 1 || repeats > MOST_REPEATS || (argc > 3 && seconds <= 0)) {
        if (rank == 0)
            fprintf(stderr, "allreduce: LARGEST_DOUBLES, REPEATS (at most %d) and SECONDS must be above 0\n",
                    MOST_REPEATS);
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
    timed(mine, sum, 1, 1); /* opens the connections: not counted */
    if (rank == 0)
        printf("%10s %7s %14s %14s   (%d ranks)\n", "bytes", "times", "median_us", "shortest_us", ranks);
    for (int length = 1; length <= largest; length *= 8) {
        own[0] = timed(mine, sum, length, 1);
        int times = repeats;
        if (seconds > 0 && own[0] * times > seconds)
            times = own[0] > seconds ? 1 : (int)(seconds / own[0]);
        MPI_Bcast(&times, 1, MPI_INT, 0, MPI_COMM_WORLD); /* rank 0's clock decides for all */
        int in_a_row = times < IN_A_ROW ? 1 : IN_A_ROW;
        int rows = times / in_a_row;
        for (int i = in_a_row > 1 ? 0 : 1; i < rows; i++) /* the first sum is one of its own already */
            own[i] = timed(mine, sum, length, in_a_row);
        MPI_Reduce(own, slowest, rows, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
        if (!sum_is_right(sum, length, ranks)) {
            fprintf(stderr, "allreduce: the sum of %d doubles is wrong on rank %d\n", length, rank);
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
        if (rank == 0) {
            qsort(slowest, (size_t)rows, sizeof *slowest, shorter);
            printf("%10zu %7d %14.3f %14.3f\n", length * sizeof *mine, rows * in_a_row, slowest[rows / 2] * 1e6,
                   slowest[0] * 1e6);
            fflush(stdout);
        }
        if (length > largest / 8)
            break;
    }
    free(mine);
    free(sum);
    MPI_Finalize();
    return 0;
}
