"""How an MPI program would scale: the platform that SimGrid's SMPI runs it on, and what its times mean. Pure."""
