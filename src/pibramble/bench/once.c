/*
 * once.c: loaded before SimGrid's library (LD_PRELOAD), so that what a program computes is measured in one run and counts in
 * the next one as well. Two runs that are timed separately differ by noise, and the difference would be taken for the wires'.
 *
 * PIBRAMBLE_TIMES names a file: the run writes what each rank computed between its MPI calls, in order; with
 * PIBRAMBLE_AGAIN set it reads that instead of its own timer. A rank is known by its timer: at time 0 SimGrid lets the ranks
 * run one after the other, in the same order each time. A run that makes other calls than the one before (it polls, or
 * asks the clock) says at its end that it strayed; what it then said is worth nothing.
 *
 * SMPI stops a rank's timer at every MPI call and then asks for the time (smpi_bench.cpp, 3.32 and 4.0), across a border that
 * the dynamic linker sees. Ranks are coroutines of one thread: no locks.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST_TIMES (16L << 20) /* of all ranks: 128 MB */

struct rank {
    void *timer;
    double *times;
    long count, room, at; /* at: how many were played */
    double now;
};

static struct rank *ranks;
static long seen, known, kept; /* ranks seen in this run and in the file; times of all */
static int again, broken;
static void (*real_stop)(void *);
static double (*real_elapsed)(void *);

static void give_up(void)
{
    broken = 1;
}

static struct rank *grown(long number)
{
    struct rank *more = realloc(ranks, (size_t)number * sizeof *ranks);
    if (more == NULL)
        return NULL;
    ranks = more;
    ranks[number - 1] = (struct rank){0};
    return &ranks[number - 1];
}

static void keep(struct rank *rank, double seconds)
{
    if (rank->count == rank->room) {
        long room = rank->room ? 2 * rank->room : 16;
        double *more = realloc(rank->times, (size_t)room * sizeof *more);
        if (more == NULL || kept >= MOST_TIMES) {
            if (more != NULL)
                rank->times = more;
            give_up();
            return;
        }
        rank->times = more;
        rank->room = room;
    }
    rank->times[rank->count++] = seconds;
    kept++;
}

/* Called by the first rank: the programs that smpirun calls have no ranks. */
static void read_times(void)
{
    long count;
    const char *name = getenv("PIBRAMBLE_TIMES");
    FILE *file = name ? fopen(name, "rb") : NULL;
    if (file == NULL) {
        give_up();
        return;
    }
    while (fread(&count, sizeof count, 1, file) == 1) {
        struct rank *rank = grown(known + 1);
        if (rank == NULL || count < 0 || (rank->times = malloc((size_t)count * sizeof(double) + 1)) == NULL ||
            fread(rank->times, sizeof(double), (size_t)count, file) != (size_t)count) {
            give_up();
            break;
        }
        rank->count = count;
        known++;
    }
    fclose(file);
}

static struct rank *of(void *timer)
{
    static long last; /* the same rank asks several times in a row, and then often the next one does */
    for (long tried = 0; tried < seen; tried++) {
        long at = (last + tried) % seen;
        if (ranks[at].timer == timer) {
            last = at;
            return &ranks[at];
        }
    }
    return NULL;
}

__attribute__((constructor)) static void begin(void)
{
    *(void **)&real_stop = dlsym(RTLD_NEXT, "xbt_os_threadtimer_stop");
    *(void **)&real_elapsed = dlsym(RTLD_NEXT, "xbt_os_timer_elapsed");
    again = getenv("PIBRAMBLE_AGAIN") != NULL;
}

void xbt_os_threadtimer_stop(void *timer)
{
    real_stop(timer);
    struct rank *rank = of(timer);
    if (rank == NULL) {
        if (again && seen == 0)
            read_times();
        rank = again ? (seen < known ? &ranks[seen] : NULL) : grown(seen + 1);
        if (rank == NULL) {
            give_up();
            return;
        }
        rank->timer = timer;
        seen++;
    }
    rank->now = real_elapsed(timer);
    if (!again && !broken)
        keep(rank, rank->now);
    else if (again && rank->at < rank->count)
        rank->now = rank->times[rank->at++];
    else
        give_up();
}

double xbt_os_timer_elapsed(void *timer)
{
    struct rank *rank = again ? of(timer) : NULL;
    return rank != NULL ? rank->now : real_elapsed(timer);
}

__attribute__((destructor)) static void end(void)
{
    if (seen == 0 || getenv("PIBRAMBLE_TIMES") == NULL)
        return; /* one of the programs that smpirun calls */
    if (again) {
        for (long i = 0; i < known; i++)
            broken |= ranks[i].timer == NULL || ranks[i].at != ranks[i].count;
        fprintf(stderr, "pibramble %s\n", broken ? "strayed" : "replayed");
        return;
    }
    FILE *file = broken ? NULL : fopen(getenv("PIBRAMBLE_TIMES"), "wb");
    if (file == NULL)
        return; /* nothing to play again: the next run will have strayed */
    for (long i = 0; i < seen; i++) {
        fwrite(&ranks[i].count, sizeof ranks[i].count, 1, file);
        fwrite(ranks[i].times, sizeof(double), (size_t)ranks[i].count, file);
    }
    fclose(file);
}
