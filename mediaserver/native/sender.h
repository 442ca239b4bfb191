/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIDEOHOME_SENDER_H
#define VIDEOHOME_SENDER_H
#include <Python.h>
#include <stdint.h>
#include <sys/socket.h>

enum { DATAGRAM = 2048 /* most bytes of one */ };

/* Where the packets of one transport go, and what protects them; borrowed from the routes. */
typedef struct {
    void *session;    /* of libsrtp */
    PyObject *sealer; /* of RTP, or NULL */
    const struct sockaddr *address;
    socklen_t address_bytes;
} Target;

/* Packets of one target that leave as one message: those between `start` and where the sender is. */
typedef struct {
    const Target *target;
    size_t start;
    int segment, count;
} Run;

typedef int (*Work)(void *session, void *packet, int *size);

void sender_use(Work protect_rtp, Work protect_rtcp);
void sender_ahead(PyObject *route);
void sender_ahead_keys(PyObject *route);
int sender_route(PyObject *route, Target *target);

/* No lock of the interpreter is needed from here on. */
void sender_begin(int fd, int gso);
void sender_open(Run *run, const Target *target);
uint8_t *sender_room(Run *run, int size);
void sender_take(Run *run, uint8_t *packet, int size, int is_rtcp);
void sender_close(Run *run);
void sender_end(long *sent, long *dropped, int *gso_errno);
#endif
