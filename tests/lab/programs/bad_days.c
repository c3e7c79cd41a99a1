/*
 * bad_days.c: an MPI program that does what programs do on a bad day. Rank 1 is the one that has it.
 *
 *     usage: bad_days exit CODE | segv | abort CODE | hang | deaf | flood BYTES | no-newline | count
 *
 * hang   waits for ever          deaf        the same, and ignores SIGINT and SIGTERM
 * flood  prints BYTES at rank 0  no-newline  prints half a line at rank 0 and waits
 * count  prints how many bytes rank 0 found on standard input, slowly read
 */
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void wait_for_ever(int rank)
{
    printf("rank %d waits\n", rank);
    fflush(stdout);
    for (;;)
        pause();
}

static void flood(long long bytes)
{
    static char line[64 * 1024];
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    for (long long left = bytes; left > 0; left -= (long long)sizeof line)
        fwrite(line, 1, left < (long long)sizeof line ? (size_t)left : sizeof line, stdout);
    fflush(stdout);
}

static void count(void)
{
    static char block[4096];
    long long bytes = 0;
    size_t got;
    usleep(300000); /* long enough for any pipe between here and there to fill up */
    while ((got = fread(block, 1, sizeof block, stdin)) > 0)
        bytes += (long long)got;
    printf("%lld bytes\n", bytes);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int rank;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);

    const char *mood = argc > 1 ? argv[1] : "";
    long long number = argc > 2 ? atoll(argv[2]) : 0;

    if (strcmp(mood, "segv") == 0 && rank == 1)
        raise(SIGSEGV);
    if (strcmp(mood, "abort") == 0 && rank == 1)
        MPI_Abort(MPI_COMM_WORLD, (int)number);
    if (strcmp(mood, "deaf") == 0) {
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        wait_for_ever(rank);
    }
    if (strcmp(mood, "hang") == 0)
        wait_for_ever(rank);
    if (strcmp(mood, "no-newline") == 0 && rank == 0) {
        printf("no newline");
        fflush(stdout);
        sleep(5);
    }
    if (strcmp(mood, "flood") == 0 && rank == 0)
        flood(number);
    if (strcmp(mood, "count") == 0 && rank == 0)
        count();

    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
    return strcmp(mood, "exit") == 0 && rank == 1 ? (int)number : 0;
}
