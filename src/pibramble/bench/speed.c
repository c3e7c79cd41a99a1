/*
 * speed.c: how fast one core computes, as the number of intervals a second of the loop in examples/cpi.c.
 *
 * Processor time is taken, not the clock on the wall: what else runs on the node does not count. Each round is longer
 * than the one before, until one takes a twentieth of a second; the fastest of five such rounds is printed. There is
 * no MPI in it, so that the same file measures a board and the PC that a prediction is made on.
 */
#include <stdio.h>
#include <time.h>

#define STRIPS_IN_A_PACK 4096
#define ROUNDS 5
#define LONG_ENOUGH_S 0.05

static double sum_of_strips(long long intervals)
{
    double width = 1.0 / (double)intervals;
    double sum = 0.0;
    long long i = 0;
    while (i < intervals) {
        double pack = 0.0;
        for (int k = 0; k < STRIPS_IN_A_PACK && i < intervals; k++, i++) {
            double x = width * ((double)i + 0.5);
            pack += 4.0 / (1.0 + x * x);
        }
        sum += pack;
    }
    return width * sum;
}

static double seconds_for(long long intervals, double *pi)
{
    struct timespec began, ended;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &began);
    *pi = sum_of_strips(intervals);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
    return (double)(ended.tv_sec - began.tv_sec) + 1e-9 * (double)(ended.tv_nsec - began.tv_nsec);
}

int main(void)
{
    double pi, fastest = 0.0, seconds;
    long long intervals = 100000;
    while ((seconds = seconds_for(intervals, &pi)) < LONG_ENOUGH_S)
        intervals *= 2;
    for (int round = 0; round < ROUNDS; round++) {
        double rate = (double)intervals / seconds;
        fastest = rate > fastest ? rate : fastest;
        seconds = seconds_for(intervals, &pi);
    }
    if (pi < 3.14 || pi > 3.15) {
        fprintf(stderr, "speed: pi came out as %f\n", pi);
        return 1;
    }
    printf("intervals_per_s %.0f\n", fastest);
    return 0;
}
