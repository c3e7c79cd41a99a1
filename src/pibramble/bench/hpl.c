/*
 * hpl.c: High Performance Linpack alone, out of hpcc. It takes the place of hpcc's own main, which runs fifteen other
 * tests, too, and is linked with the library that hpcc's source makes: see scripts/build-hpcc.
 *
 *     usage: hpl INPUT       INPUT: hpccinf.txt with a `|` for each end of line       prints: hpcc's report
 *
 * hpcc reads and writes in rank 0's current folder; here that is a folder of its own, which goes when the program ends:
 * HPL ends by exit() when the input is wrong.
 */
#include <hpcc.h>
#include <limits.h>
#include <unistd.h>

static char folder[PATH_MAX];

static void tidy_up(void)
{
    if (folder[0] == '\0')
        return;
    remove("hpccinf.txt");
    remove("hpccoutf.txt");
    if (chdir("/") == 0)
        rmdir(folder);
}

static int enter_folder(void)
{
    const char *temporary = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/pibramble-hpl-XXXXXX", temporary != NULL ? temporary : "/tmp");
    if (mkdtemp(folder) == NULL) {
        folder[0] = '\0';
        return 0;
    }
    return atexit(tidy_up) == 0 && chdir(folder) == 0;
}

static int write_input(const char *text)
{
    FILE *file = fopen("hpccinf.txt", "w");
    if (file == NULL)
        return 0;
    for (; *text != '\0'; text++)
        putc(*text == '|' ? '\n' : *text, file);
    return fclose(file) == 0;
}

static void print_report(const char *name)
{
    FILE *file = fopen(name, "r");
    int c;
    while (file != NULL && (c = getc(file)) != EOF)
        putchar(c);
    if (file != NULL)
        fclose(file);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static HPCC_Params params; /* some kilobytes */
    int rank;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0 && (argc != 2 || !enter_folder() || !write_input(argv[1]))) {
        perror(argc != 2 ? "hpl: usage: hpl INPUT" : "hpl: no folder for the input");
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    if (HPCC_Init(&params) == 0) {
        HPL_main(argc, argv, &params.HPLrdata, &params.Failure);
        HPCC_Finalize(&params);
        if (rank == 0)
            print_report(params.outFname);
    }
    MPI_Finalize();
    return 0;
}
