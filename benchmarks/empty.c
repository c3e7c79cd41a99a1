/* The smallest MPI program: all that is measured with it is the start and the end of a job. */
#include <mpi.h>

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Finalize();
    return 0;
}
