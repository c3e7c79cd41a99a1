/*
 * cpi.c: compute pi with every core of the cluster.
 *
 *     pi  =  integral from 0 to 1 of  4 / (1 + x*x)  dx
 *
 * The area under the curve is cut into `intervals` thin strips, and each strip is taken as a rectangle as high as
 * the curve is in its middle (the midpoint rule). The ranks deal the strips out among themselves like cards: rank r
 * of n takes the strips r, r+n, r+2n, ... so all have the same amount of work. At the end MPI_Reduce adds the
 * partial sums up at rank 0. Almost nothing crosses the network, so this is the program that shows how well the
 * *processors* add up; see allreduce.c and pingpong.c for what the wires do.
 *
 *     usage: cpi [INTERVALS]        default 1,000,000,000: a second or so on one core of a PC
 *            A 700 MHz board does some millions of intervals a second: start with 10000000 there.
 */
#include <errno.h>
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_INTERVALS 1000000000LL
#define STRIPS_IN_A_PACK 4096
#define PI_TO_25_DIGITS 3.141592653589793238462643

/* Read the argument; every rank gets the same argv, so every rank comes to the same verdict. */
static long long intervals_asked_for(int argc, char **argv)
{
    if (argc < 2)
        return DEFAULT_INTERVALS;
    char *end;
    errno = 0;
    long long wanted = strtoll(argv[1], &end, 10);
    return (errno == 0 && *end == '\0' && end != argv[1] && wanted > 0) ? wanted : -1;
}

/*
 * Add up this rank's strips. A double holds some 16 digits, and adding a small number to a big sum rounds the small
 * one off; a hundred million such roundings would spoil the last three digits. So the strips are added up in packs,
 * and only the packs' sums go into the big one.
 */
static double sum_of_strips(long long intervals, int rank, int ranks)
{
    double width = 1.0 / (double)intervals;
    double sum = 0.0;
    long long i = rank;
    while (i < intervals) {
        double pack = 0.0;
        for (int k = 0; k < STRIPS_IN_A_PACK && i < intervals; k++, i += ranks) {
            double x = width * ((double)i + 0.5); /* the middle of strip i */
            pack += 4.0 / (1.0 + x * x);
        }
        sum += pack;
    }
    return width * sum;
}

int main(int argc, char **argv)
{
    int rank, ranks, name_length;
    char host[MPI_MAX_PROCESSOR_NAME];

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    MPI_Get_processor_name(host, &name_length);

    long long intervals = intervals_asked_for(argc, argv);
    if (intervals < 0) {
        if (rank == 0)
            fprintf(stderr, "cpi: INTERVALS must be a whole number above 0, not \"%s\"\n", argv[1]);
        MPI_Finalize();
        return 2;
    }

    printf("rank %d of %d runs on %s\n", rank, ranks, host);
    fflush(stdout);

    MPI_Barrier(MPI_COMM_WORLD); /* so that the clock starts when all are there, not when the first is */
    double began = MPI_Wtime();

    double mine = sum_of_strips(intervals, rank, ranks);
    double pi = 0.0;
    MPI_Reduce(&mine, &pi, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);

    double seconds = MPI_Wtime() - began;
    if (rank == 0) {
        printf("pi is about %.15f, error %.2e\n", pi, fabs(pi - PI_TO_25_DIGITS));
        printf("%lld intervals on %d rank%s: %.3f s\n", intervals, ranks, ranks == 1 ? "" : "s", seconds);
    }
    MPI_Finalize();
    return 0;
}
