/*
 * pingpong.c: what a wire can do. Rank 0 and the last rank throw messages of growing size to and fro.
 *
 *     usage: pingpong [LARGEST_BYTES [SECONDS_A_SIZE]]        default 1048576 bytes, 0.5 s
 *
 * Two numbers describe a link: latency (how long the smallest message takes) and bandwidth (how much a second gets
 * through when messages are large). Half the time of a round trip is the time of one way. Each size is thrown as
 * often as fits the time that is given, so that a slow serial line and a fast network both give honest figures soon.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_LARGEST (1 << 20)
#define DEFAULT_SECONDS 0.5

/* One round trip; the far end only answers. */
static void throw_once(char *ball, int bytes, int rank, int partner)
{
    if (rank == 0) {
        MPI_Send(ball, bytes, MPI_BYTE, partner, 0, MPI_COMM_WORLD);
        MPI_Recv(ball, bytes, MPI_BYTE, partner, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    } else {
        MPI_Recv(ball, bytes, MPI_BYTE, partner, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        MPI_Send(ball, bytes, MPI_BYTE, partner, 0, MPI_COMM_WORLD);
    }
}

/* How many round trips fit into `seconds`: rank 0 times one and tells its partner. */
static int throws_that_fit(char *ball, int bytes, double seconds, int rank, int partner)
{
    double began = MPI_Wtime();
    throw_once(ball, bytes, rank, partner);
    double one = MPI_Wtime() - began;
    int count = one > 0 ? (int)(seconds / one) : 1000;
    count = count < 1 ? 1 : count > 10000 ? 10000 : count;
    if (rank == 0)
        MPI_Send(&count, 1, MPI_INT, partner, 0, MPI_COMM_WORLD);
    else
        MPI_Recv(&count, 1, MPI_INT, partner, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    return count;
}

static void play(char *ball, int largest, double seconds, int rank, int partner)
{
    if (rank == 0)
        printf("%10s %10s %14s %12s\n", "bytes", "throws", "one way us", "MB/s");
    throw_once(ball, 1, rank, partner); /* the first message opens the connection: not counted */
    for (int bytes = 1; bytes <= largest; bytes *= 4) {
        int throws = throws_that_fit(ball, bytes, seconds, rank, partner);
        double began = MPI_Wtime();
        for (int i = 0; i < throws; i++)
            throw_once(ball, bytes, rank, partner);
        double one_way = (MPI_Wtime() - began) / throws / 2;
        if (rank == 0) {
            printf("%10d %10d %14.2f %12.4f\n", bytes, throws, one_way * 1e6, bytes / one_way / 1e6);
            fflush(stdout);
        }
        if (bytes > largest / 4)
            break; /* the next size would be too large, and an int holds no more than 2 GB */
    }
}

int main(int argc, char **argv)
{
    int rank, ranks;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);

    int largest = argc > 1 ? atoi(argv[1]) : DEFAULT_LARGEST;
    double seconds = argc > 2 ? atof(argv[2]) : DEFAULT_SECONDS;
    if (ranks < 2 || largest < 1 || seconds <= 0) {
        if (rank == 0)
            fprintf(stderr, "pingpong: needs at least 2 ranks, LARGEST_BYTES and SECONDS_A_SIZE above 0\n");
        MPI_Finalize();
        return 2;
    }
    char *ball = malloc((size_t)largest);
    if (ball == NULL) {
        fprintf(stderr, "pingpong: no memory for %d bytes\n", largest);
        MPI_Abort(MPI_COMM_WORLD, 1); /* MPI_Finalize would wait for the others for ever */
    }
    memset(ball, 'o', (size_t)largest); /* touch every page before the clock runs */

    int last = ranks - 1;
    if (rank == 0)
        play(ball, largest, seconds, rank, last);
    else if (rank == last)
        play(ball, largest, seconds, rank, 0);

    free(ball);
    MPI_Finalize();
    return 0;
}
