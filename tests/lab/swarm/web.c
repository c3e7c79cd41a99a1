/* The tests' container: `web` answers every connection with its host name; `web ask NAME` asks each address behind NAME. */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 8000, DNS_PORT = 53 };

static int answer(void) {
    char name[65] = "";
    int one = 1, server = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    gethostname(name, sizeof name - 1);
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(server, (struct sockaddr *)&here, sizeof here) != 0 || listen(server, 16) != 0) return 1;
    printf("%s answers\n", name);
    fflush(stdout);
    for (;;) {
        int peer = accept(server, NULL, NULL);
        if (peer < 0) continue;
        dprintf(peer, "%s\n", name);
        close(peer);
    }
}

static int ask_one(struct in_addr address) {
    char said[80] = "";
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr = address};
    struct timeval patience = {.tv_sec = 5};
    int peer = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(peer, (struct sockaddr *)&there, sizeof there) != 0) return 1;
    if (read(peer, said, sizeof said - 1) <= 0) return 1;
    fputs(said, stdout);
    close(peer);
    return 0;
}

/* A static program has no resolver to rely on, so the question is put by hand (RFC 1035, 4.1) to Docker's own, 127.0.0.11. */
static int ask(const char *name) {
    unsigned char query[512] = {0x12, 0x34, 1, 0, 0, 1}, reply[2048];
    size_t length = 12, size = strlen(name);
    struct sockaddr_in resolver = {.sin_family = AF_INET, .sin_port = htons(DNS_PORT)};
    struct timeval patience = {.tv_sec = 5};
    int failed = 0, peer = socket(AF_INET, SOCK_DGRAM, 0);
    query[length++] = (unsigned char)size;
    memcpy(query + length, name, size);
    length += size + 1; /* the root's empty label */
    query[length + 1] = 1, query[length + 3] = 1; /* A, IN */
    length += 4;
    inet_aton("127.0.0.11", &resolver.sin_addr);
    setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (sendto(peer, query, length, 0, (struct sockaddr *)&resolver, sizeof resolver) < 0) return 1;
    ssize_t got = recv(peer, reply, sizeof reply, 0);
    if (got < 12) return 1;
    size_t at = length;
    for (int left = reply[6] << 8 | reply[7]; left > 0; left--) {
        while (at < (size_t)got && reply[at] != 0 && reply[at] < 0xc0) at += reply[at] + 1u;
        at += reply[at] >= 0xc0 ? 2 : 1;
        if (at + 14 > (size_t)got) return 1;
        struct in_addr address;
        memcpy(&address, reply + at + 10, 4);
        failed |= ask_one(address);
        at += 10 + (size_t)(reply[at + 8] << 8 | reply[at + 9]);
    }
    return failed;
}

int main(int count, char **words) {
    return count == 3 && strcmp(words[1], "ask") == 0 ? ask(words[2]) : answer();
}
