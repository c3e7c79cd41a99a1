/*
 * pingpong.c: what one wire does to one message, from 1 byte to LARGEST. As examples/pingpong.c, but with the median
 * and the shortest time of each size instead of the mean: on a busy machine a single late answer spoils a mean.
 *
 *     usage: pingpong LARGEST_BYTES SECONDS_A_SIZE        prints: bytes throws median_us shortest_us
 *
 * Every size is thrown until its time is over, at least once: a megabyte on a serial line takes ten seconds a way.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_THROWS 2000
#define BALL 0
#define ENOUGH 1

static double throw_once(char *ball, int bytes, int partner)
{
    double began = MPI_Wtime();
    MPI_Send(ball, bytes, MPI_BYTE, partner, BALL, MPI_COMM_WORLD);
    MPI_Recv(ball, bytes, MPI_BYTE, partner, BALL, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    return (MPI_Wtime() - began) / 2;
}

static void answer(char *ball, int largest, int partner)
{
    for (;;) {
        MPI_Status status;
        int bytes;
        MPI_Recv(ball, largest, MPI_BYTE, partner, MPI_ANY_TAG, MPI_COMM_WORLD, &status);
        if (status.MPI_TAG == ENOUGH)
            return;
        MPI_Get_count(&status, MPI_BYTE, &bytes);
        MPI_Send(ball, bytes, MPI_BYTE, partner, BALL, MPI_COMM_WORLD);
    }
}

static int shorter(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void play(char *ball, int largest, double seconds, int partner)
{
    static double times[MOST_THROWS];
    throw_once(ball, 1, partner); /* opens the connection: not counted */
    for (long bytes = 1; bytes <= largest; bytes *= 4) {
        int throws = 0;
        double began = MPI_Wtime();
        do
            times[throws++] = throw_once(ball, (int)bytes, partner);
        while (throws < MOST_THROWS && MPI_Wtime() - began < seconds);
        qsort(times, (size_t)throws, sizeof *times, shorter);
        printf("%ld %d %.3f %.3f\n", bytes, throws, times[throws / 2] * 1e6, times[0] * 1e6);
        fflush(stdout);
    }
    MPI_Send(ball, 0, MPI_BYTE, partner, ENOUGH, MPI_COMM_WORLD);
}

int main(int argc, char **argv)
{
    int rank, ranks;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    int largest = argc > 1 ? atoi(argv[1]) : 0;
    double seconds = argc > 2 ? atof(argv[2]) : 0;
    if (ranks != 2 || largest < 1 || seconds <= 0) {
        fprintf(stderr, "pingpong: needs 2 ranks, LARGEST_BYTES and SECONDS_A_SIZE above 0\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    char *ball = malloc((size_t)largest);
    if (ball == NULL) {
        fprintf(stderr, "pingpong: no memory for %d bytes\n", largest);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    memset(ball, 'o', (size_t)largest); /* touch every page before the clock runs */
    if (rank == 0)
        play(ball, largest, seconds, 1);
    else
        answer(ball, largest, 0);
    free(ball);
    MPI_Finalize();
    return 0;
}
