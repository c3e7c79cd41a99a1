/*
 * ring.c: a token goes once round all ranks, and every rank adds its own number to it.
 *
 *     usage: ring [ROUNDS]        default 1
 *
 * Rank 0 sends the token to rank 1, rank 1 to rank 2, and the last one back to rank 0, which knows what the sum must
 * be. So this is the program that shows that *every* neighbour can talk to the next one, whatever wires are between
 * them. A worker that is wired wrong or whose firewall is shut makes it stop at exactly that worker.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define TOKEN 1 /* a message's tag: receivers can ask for one kind of message */

int main(int argc, char **argv)
{
    int rank, ranks;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);

    int rounds = argc > 1 ? atoi(argv[1]) : 1;
    if (rounds < 1) {
        if (rank == 0)
            fprintf(stderr, "ring: ROUNDS must be a whole number above 0, not \"%s\"\n", argv[1]);
        MPI_Finalize();
        return 2;
    }
    int next = (rank + 1) % ranks;
    int previous = (rank + ranks - 1) % ranks;
    long long token = 0;

    double began = MPI_Wtime();
    for (int round = 0; round < rounds; round++) {
        if (rank == 0) { /* rank 0 starts the token off, and takes it back at the end of the round */
            MPI_Sendrecv_replace(&token, 1, MPI_LONG_LONG, next, TOKEN, previous, TOKEN, MPI_COMM_WORLD,
                                 MPI_STATUS_IGNORE);
        } else {
            MPI_Recv(&token, 1, MPI_LONG_LONG, previous, TOKEN, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            token += rank;
            MPI_Send(&token, 1, MPI_LONG_LONG, next, TOKEN, MPI_COMM_WORLD);
        }
    }
    double seconds = MPI_Wtime() - began;

    int right = 1;
    if (rank == 0) {
        long long expected = (long long)rounds * ranks * (ranks - 1) / 2; /* 0 + 1 + ... + (ranks-1), each round */
        right = token == expected;
        printf("the token came back as %lld, %s\n", token, right ? "as it should" : "WRONG");
        printf("%d round%s over %d rank%s: %.1f us a hop\n", rounds, rounds == 1 ? "" : "s", ranks,
               ranks == 1 ? "" : "s", seconds * 1e6 / rounds / ranks);
    }
    MPI_Finalize();
    return right ? 0 : 1;
}
