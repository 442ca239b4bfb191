/* SPDX-License-Identifier: Apache-2.0
 *
 * Protects packets where they lie and gives them to the kernel: several of one size to one receiver as one message (UDP
 * GSO), several messages in one call. The kernel never blocks it.
 */
#define PY_SSIZE_T_CLEAN
#define _GNU_SOURCE
#include "sender.h"
#include "sealer.h"
#include "slots.h"
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

enum {
    TRAILER = 148,    /* most that libsrtp adds */
    OUT = 128 << 10,  /* bytes of packets protected and not yet sent */
    FLUSH = 16,       /* messages given to the kernel in one call */
    RUN_PACKETS = 64, /* the kernel's limits of one UDP GSO message */
    RUN_BYTES = 60000,
};
#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

static Work protect_rtp, protect_rtcp;

void sender_use(Work rtp, Work rtcp) { protect_rtp = rtp, protect_rtcp = rtcp; }

/* Of a route that the routes hold: asks ahead for its parts. */
void sender_ahead(PyObject *route) {
    if (!PyTuple_Check(route) || PyTuple_GET_SIZE(route) != 2) return;
    ahead(PyTuple_GET_ITEM(route, 0), SealerType.tp_basicsize);
    ahead(PyTuple_GET_ITEM(route, 1), 64);
}

void sender_ahead_keys(PyObject *route) {
    if (PyTuple_Check(route) && PyTuple_GET_SIZE(route) == 2 && Py_IS_TYPE(PyTuple_GET_ITEM(route, 0), &SealerType))
        sealer_ahead(PyTuple_GET_ITEM(route, 0));
}

/* 1 when there is a way by what was found in the routes, 0 when there is none, -1 with an exception. */
int sender_route(PyObject *route, Target *target) {
    if (!route) return PyErr_Occurred() ? -1 : 0;
    if (!PyTuple_Check(route) || PyTuple_GET_SIZE(route) != 2 || !PyBytes_Check(PyTuple_GET_ITEM(route, 1))) {
        PyErr_SetString(PyExc_TypeError, "routes are {id: (session or Sealer, sockaddr bytes)}");
        return -1;
    }
    PyObject *keys = PyTuple_GET_ITEM(route, 0), *sealer = Py_IS_TYPE(keys, &SealerType) ? keys : NULL;
    void *session = sealer ? sealer_session(sealer) : PyLong_AsVoidPtr(keys);
    if (!session) return PyErr_Occurred() ? -1 : 0;
    target->session = session, target->sealer = sealer;
    target->address = (const struct sockaddr *)PyBytes_AS_STRING(PyTuple_GET_ITEM(route, 1));
    target->address_bytes = (socklen_t)PyBytes_GET_SIZE(PyTuple_GET_ITEM(route, 1));
    return 1;
}

typedef struct {
    char bytes[CMSG_SPACE(sizeof(uint16_t))];
} Control;

static struct {
    int fd, gso, pending, gso_errno;
    long sent, dropped;
    size_t at; /* in `out` */
    struct mmsghdr messages[FLUSH];
    struct iovec parts[FLUSH];
    _Alignas(struct cmsghdr) Control controls[FLUSH];
    int segment[FLUSH], packets[FLUSH];
} sender;

static uint8_t out[OUT];

void sender_begin(int fd, int gso) {
    sender.fd = fd, sender.gso = gso, sender.pending = sender.gso_errno = 0;
    sender.sent = sender.dropped = 0, sender.at = 0;
}

static int no_gso(int error) {
    return error == EINVAL || error == EIO || error == ENOPROTOOPT || error == EOPNOTSUPP || error == EMSGSIZE;
}

/* One message that the kernel did not take with the others: alone, and packet by packet where GSO is the reason. */
static void send_alone(int i) {
    struct msghdr *message = &sender.messages[i].msg_hdr;
    if (sendmsg(sender.fd, message, MSG_DONTWAIT) >= 0) {
        sender.sent += sender.packets[i];
        return;
    }
    if (sender.packets[i] == 1 || !no_gso(errno)) {
        sender.dropped += sender.packets[i];
        return;
    }
    if (errno != EMSGSIZE) sender.gso = 0, sender.gso_errno = errno;
    uint8_t *at = sender.parts[i].iov_base, *end = at + sender.parts[i].iov_len;
    for (; at < end; at += sender.segment[i]) {
        size_t size = end - at < sender.segment[i] ? (size_t)(end - at) : (size_t)sender.segment[i];
        if (sendto(sender.fd, at, size, MSG_DONTWAIT, message->msg_name, message->msg_namelen) >= 0) sender.sent++;
        else sender.dropped++;
    }
}

static void flush(void) {
    int done = 0;
    while (done < sender.pending) {
        int count = sendmmsg(sender.fd, sender.messages + done, sender.pending - done, MSG_DONTWAIT);
        for (int i = 0; i < count; i++) sender.sent += sender.packets[done + i];
        if (count > 0) done += count;
        if (count <= 0) send_alone(done++);
    }
    sender.pending = 0, sender.at = 0;
}

/* The packets of the run go out as one message; it begins anew behind them. */
static void add(Run *run) {
    int i = sender.pending++;
    sender.parts[i] = (struct iovec){out + run->start, sender.at - run->start};
    sender.segment[i] = run->segment;
    sender.packets[i] = run->count;
    struct msghdr *message = &sender.messages[i].msg_hdr;
    *message = (struct msghdr){
        .msg_name = (void *)run->target->address,
        .msg_namelen = run->target->address_bytes,
        .msg_iov = &sender.parts[i],
        .msg_iovlen = 1,
    };
    if (run->count > 1) {
        message->msg_control = sender.controls[i].bytes;
        message->msg_controllen = sizeof sender.controls[i].bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(message);
        c->cmsg_level = SOL_UDP;
        c->cmsg_type = UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        memcpy(CMSG_DATA(c), &(uint16_t){run->segment}, sizeof(uint16_t));
    }
    if (sender.pending == FLUSH) flush();
    run->start = sender.at, run->count = 0;
}

void sender_open(Run *run, const Target *target) { *run = (Run){target, sender.at, 0, 0}; }

/* Where a packet of `size` bytes is to be written: it stays good until `sender_take`. */
uint8_t *sender_room(Run *run, int size) {
    if (sender.at + (size_t)size + TRAILER > OUT) {
        if (run->count) add(run);
        flush();
        run->start = 0;
    }
    return out + sender.at;
}

/* Protects a packet where it lies; 0 when it is refused. */
static int protected_bytes(const Target *target, int is_rtcp, uint8_t *at, int *size) {
    if (is_rtcp || !target->sealer) return !(is_rtcp ? protect_rtcp : protect_rtp)(target->session, at, size);
    return (*size = seal(target->sealer, at, *size)) > 0;
}

/* Takes the packet that was written where `sender_room` said. */
void sender_take(Run *run, uint8_t *packet, int size, int is_rtcp) {
    if (!protected_bytes(run->target, is_rtcp, packet, &size)) {
        sender.dropped++;
        return;
    }
    if (run->count && (!sender.gso || size > run->segment || run->count == RUN_PACKETS ||
                       sender.at + (size_t)size - run->start > RUN_BYTES)) {
        size_t at = sender.at;
        add(run);
        if (sender.at != at) memmove(out, packet, (size_t)size); /* all before it was sent: the room begins anew */
    }
    sender.at += (size_t)size;
    if (run->count++ == 0) run->segment = size;
    else if (size < run->segment) add(run);
}

void sender_close(Run *run) {
    if (run->count) add(run);
}

void sender_end(long *sent, long *dropped, int *gso_errno) {
    flush();
    *sent = sender.sent, *dropped = sender.dropped, *gso_errno = sender.gso_errno;
}
