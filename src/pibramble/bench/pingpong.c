/*
 * pingpong.c: what one wire does to one message, from 1 byte to LARGEST. As examples/pingpong.c, but with the median
 * and the shortest time of each size instead of the mean: on a busy machine a single late answer spoils a mean.
 *
 *     usage: pingpong LARGEST_BYTES SECONDS_A_SIZE [exchange]     prints: bytes throws median_us shortest_us
 *
 * With `exchange` both throw at the same time, as the ranks of most collectives do, and the time is that of both messages.
 * A wire that can do both ways at once takes no longer for it; one that rests while the other way is in use, as in a lab
 * whose wires are shaped by token buckets, looks faster when the ball only goes to and fro.
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
#define BOTH 2

static double throw_once(char *ball, int bytes, int partner)
{
    double began = MPI_Wtime();
    MPI_Send(ball, bytes, MPI_BYTE, partner, BALL, MPI_COMM_WORLD);
    MPI_Recv(ball, bytes, MPI_BYTE, partner, BALL, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    return (MPI_Wtime() - began) / 2;
}

/* So many exchanges of one size, timed by who asked for them. */
static void do_exchanges(char *ball, const int *order, double *times, int partner)
{
    char mine = 0, other;
    MPI_Sendrecv(&mine, 1, MPI_BYTE, partner, BALL, &other, 1, MPI_BYTE, partner, BALL, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE); /* the order is still on its way: not counted */
    for (int i = 0; i < order[1]; i++) {
        double began = MPI_Wtime();
        MPI_Sendrecv(ball, order[0], MPI_BYTE, partner, BALL, ball + order[0], order[0], MPI_BYTE, partner, BALL,
                     MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        if (times != NULL)
            times[i] = MPI_Wtime() - began;
    }
}

static void exchange(char *ball, int partner)
{
    int order[2];
    memcpy(order, ball, sizeof order);
    do_exchanges(ball, order, NULL, partner);
}

static void ask_for_exchanges(char *ball, int bytes, int count, double *times, int partner)
{
    int order[2] = {bytes, count};
    MPI_Send(order, sizeof order, MPI_BYTE, partner, BOTH, MPI_COMM_WORLD);
    do_exchanges(ball, order, times, partner);
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
        if (status.MPI_TAG == BOTH) {
            exchange(ball, partner); /* the message was only the order to do so */
            continue;
        }
        MPI_Send(ball, bytes, MPI_BYTE, partner, BALL, MPI_COMM_WORLD);
    }
}

static int shorter(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static int throw_for(double *times, char *ball, int bytes, double seconds, int partner)
{
    int throws = 0;
    double began = MPI_Wtime();
    do
        times[throws++] = throw_once(ball, bytes, partner);
    while (throws < MOST_THROWS && MPI_Wtime() - began < seconds);
    return throws;
}

/*
 * As many again as there were, until the time is over. The first one alone does not tell how many fit: on a slow board
 * it may find the other's message there already, and the next ones wait for the scheduler, a thousand times as long.
 */
static int exchange_for(double *times, char *ball, int bytes, double seconds, int partner)
{
    int done = 0, more = 1;
    double began = MPI_Wtime();
    do {
        ask_for_exchanges(ball, bytes, more, times + done, partner);
        done += more;
        more = done < MOST_THROWS - done ? done : MOST_THROWS - done;
    } while (more > 0 && MPI_Wtime() - began < seconds);
    return done;
}

static void play(char *ball, int largest, double seconds, int both_ways, int partner)
{
    static double times[MOST_THROWS];
    throw_once(ball, 1, partner); /* opens the connection: not counted */
    for (long bytes = 1; bytes <= largest; bytes *= 4) {
        int throws = (both_ways ? exchange_for : throw_for)(times, ball, (int)bytes, seconds, partner);
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
    size_t room = 2 * (size_t)largest + 2 * sizeof(int); /* to send, to receive, and an order */
    char *ball = malloc(room);
    if (ball == NULL) {
        fprintf(stderr, "pingpong: no memory for %d bytes\n", largest);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    memset(ball, 'o', room); /* touch every page before the clock runs */
    if (rank == 0)
        play(ball, largest, seconds, argc > 3 && strcmp(argv[3], "exchange") == 0, 1);
    else
        answer(ball, (int)room, 0);
    free(ball);
    MPI_Finalize();
    return 0;
}
