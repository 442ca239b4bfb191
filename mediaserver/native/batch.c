/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner loop in C: one call receives a batch of datagrams and unprotects what is media, one call protects and sends
 * everything that a batch produced. The interpreter's lock is released while the kernel and the cipher work.
 *
 * No cipher lives here and nothing is linked: the SRTP functions are those of the libsrtp that pylibsrtp brought, handed
 * over by address (`use`), with the same sessions and sealers (sealer.c) that Python holds. Both planes may so be mixed,
 * call by call.
 * Only the thread of the event loop calls in; sessions and buffers belong to it.
 */
#define PY_SSIZE_T_CLEAN
#define _GNU_SOURCE
#include "allowance.h"
#include "arrivals.h"
#include "direct.h"
#include "fanout.h"
#include "intake.h"
#include "meter.h"
#include "outgoing.h"
#include "relay.h"
#include "ring.h"
#include "sealer.h"
#include "sender.h"
#include "straight.h"
#include "told.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

enum {
    FEW = 4,              /* read by the first system call */
    BATCH = 64,           /* datagrams read in one call */
    TARGETS = 512,        /* transports sent to in one call */
};

static Work unprotect_rtp, unprotect_rtcp;

/* use(protect, protect_rtcp, unprotect, unprotect_rtcp): addresses of libsrtp's functions. */
static PyObject *use(PyObject *self, PyObject *args) {
    unsigned long long a, b, c, d;
    (void)self;
    if (!PyArg_ParseTuple(args, "KKKK", &a, &b, &c, &d)) return NULL;
    sender_use((Work)(uintptr_t)a, (Work)(uintptr_t)b);
    unprotect_rtp = (Work)(uintptr_t)c, unprotect_rtcp = (Work)(uintptr_t)d;
    Py_RETURN_NONE;
}

static int busy; /* the buffers below are shared: one call at a time, also while the interpreter's lock is released */

static int ready(void) {
    if (unprotect_rtp && unprotect_rtcp && !busy) return 1;
    PyErr_SetString(PyExc_RuntimeError, busy ? "only one thread may call in" : "call use() first");
    return 0;
}

/* sockaddr(host, port): the socket address of a numeric host, as bytes; ValueError for anything else. */
static PyObject *sockaddr_of(PyObject *self, PyObject *args) {
    const char *host;
    unsigned short port;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    (void)self;
    if (!PyArg_ParseTuple(args, "sH", &host, &port)) return NULL;
    memset(&v4, 0, sizeof v4);
    memset(&v6, 0, sizeof v6);
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        return PyBytes_FromStringAndSize((char *)&v4, sizeof v4);
    }
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        return PyBytes_FromStringAndSize((char *)&v6, sizeof v6);
    }
    PyErr_Format(PyExc_ValueError, "no numeric address: %s", host);
    return NULL;
}

/* ---- receiving ---- */

enum Kind { OTHER = 0, RTP = 1, RTCP = 2, REFUSED = 3 };
enum { RECEIVER_REPORT = 201 };

typedef struct {
    struct sockaddr_storage address;
    int size, kind;
    double age_s; /* since the kernel took it, where the socket stamps */
    void *session;
    PyObject *entry; /* borrowed from the table, held by a reference of its own during the call */
} Incoming;

static uint8_t in_bytes[BATCH][DATAGRAM];
static Incoming incoming[BATCH];

static struct mmsghdr in_messages[BATCH];
static struct iovec in_parts[BATCH];
static _Alignas(struct cmsghdr) char in_controls[BATCH][64];

static void prepare(int from, int to) {
    for (int i = from; i < to; i++) {
        in_messages[i].msg_hdr.msg_namelen = sizeof incoming[i].address;
        in_messages[i].msg_hdr.msg_control = in_controls[i];
        in_messages[i].msg_hdr.msg_controllen = sizeof in_controls[i];
        in_parts[i].iov_len = DATAGRAM;
    }
}

static void prepare_once(void) {
    for (int i = 0; i < BATCH; i++) {
        in_parts[i] = (struct iovec){in_bytes[i], DATAGRAM};
        in_messages[i].msg_hdr = (struct msghdr){.msg_name = &incoming[i].address, .msg_iov = &in_parts[i], .msg_iovlen = 1};
    }
    prepare(0, BATCH);
}

/* How long ago the kernel took a message: 0 without a stamp, and for one that the clock's setting has made absurd. */
static double age_of(struct msghdr *message) {
    struct timespec now, then;
    struct cmsghdr *c = message->msg_controllen ? CMSG_FIRSTHDR(message) : NULL;
    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS || c->cmsg_len < CMSG_LEN(sizeof then)) return 0;
    memcpy(&then, CMSG_DATA(c), sizeof then);
    clock_gettime(CLOCK_REALTIME, &now);
    double age = (double)(now.tv_sec - then.tv_sec) + 1e-9 * (double)(now.tv_nsec - then.tv_nsec);
    return age > 0 && age < 1 ? age : 0;
}

/* Reads a few first: most wake-ups bring one or two, and touching room for 64 costs more than a second call. */
static int read_batch(int fd) {
    static int prepared;
    int count = 0;
    if (!prepared) prepare_once(), prepared = 1;
    while (count < BATCH) {
        int room = count ? BATCH - count : FEW;
        int more = recvmmsg(fd, in_messages + count, room, MSG_DONTWAIT, NULL);
        if (more < 0 && !count) return -errno;
        for (int i = count; i < count + more; i++) {
            Incoming *in = &incoming[i];
            in->size = (in_messages[i].msg_hdr.msg_flags & MSG_TRUNC) ? 0 : (int)in_messages[i].msg_len;
            in->kind = OTHER;
            in->age_s = age_of(&in_messages[i].msg_hdr);
            in->session = NULL;
            in->entry = NULL;
            prepare(i, i + 1);
        }
        if (more > 0) count += more;
        if (more < room) break;
    }
    return count;
}

static Py_ssize_t address_bytes(const struct sockaddr_storage *address) {
    return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

/* Finds the table's entry of each address. False with an exception set. */
static int look_up(PyObject *table, int count) {
    for (int i = 0; i < count; i++) {
        Incoming *in = &incoming[i];
        if (in->address.ss_family == AF_INET6) { /* as sockaddr() makes them */
            struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&in->address;
            v6->sin6_flowinfo = v6->sin6_scope_id = 0;
        } else {
            memset(((struct sockaddr_in *)&in->address)->sin_zero, 0, 8);
        }
        PyObject *key = PyBytes_FromStringAndSize((char *)&in->address, address_bytes(&in->address));
        if (!key) return 0;
        PyObject *entry = PyDict_GetItemWithError(table, key);
        Py_DECREF(key);
        if (!entry && PyErr_Occurred()) return 0;
        if (!entry) continue;
        if (!PyTuple_Check(entry) || PyTuple_GET_SIZE(entry) != 4) {
            PyErr_SetString(PyExc_TypeError, "table entries are (session, tag, path, lane)");
            return 0;
        }
        in->session = PyLong_AsVoidPtr(PyTuple_GET_ITEM(entry, 0));
        if (PyErr_Occurred()) return 0;
        in->entry = Py_NewRef(entry);
    }
    return 1;
}

static void unprotect_batch(int count) {
    for (int i = 0; i < count; i++) {
        Incoming *in = &incoming[i];
        if (!in->entry || in->size < 2 || in_bytes[i][0] < 128 || in_bytes[i][0] > 191) continue;
        int is_rtcp = in_bytes[i][1] >= 192 && in_bytes[i][1] <= 223; /* RFC 5761 section 4 */
        if (!in->session || (is_rtcp ? unprotect_rtcp : unprotect_rtp)(in->session, in_bytes[i], &in->size))
            in->kind = REFUSED;
        else
            in->kind = is_rtcp ? RTCP : RTP;
    }
}

/* (host, port) of an address that the table does not know. */
static PyObject *path_of(const struct sockaddr_storage *address) {
    char text[INET6_ADDRSTRLEN] = "";
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
        return Py_BuildValue("(si)", text, ntohs(v6->sin6_port));
    }
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    return Py_BuildValue("(si)", text, ntohs(v4->sin_port));
}

static PyObject *as_tuple(int i, double now) {
    Incoming *in = &incoming[i];
    PyObject *tag = in->entry ? Py_NewRef(PyTuple_GET_ITEM(in->entry, 1)) : Py_NewRef(Py_None);
    PyObject *path = in->entry ? Py_NewRef(PyTuple_GET_ITEM(in->entry, 2)) : path_of(&in->address);
    PyObject *kind = PyLong_FromLong(in->kind);
    PyObject *data = PyBytes_FromStringAndSize((char *)in_bytes[i], in->size);
    PyObject *came = PyFloat_FromDouble(now - in->age_s);
    PyObject *made = path && kind && data && came ? PyTuple_New(5) : NULL;
    if (!made) {
        Py_XDECREF(came);
        Py_DECREF(tag);
        Py_XDECREF(path);
        Py_XDECREF(kind);
        Py_XDECREF(data);
        return NULL;
    }
    PyTuple_SET_ITEM(made, 0, tag);
    PyTuple_SET_ITEM(made, 1, path);
    PyTuple_SET_ITEM(made, 2, kind);
    PyTuple_SET_ITEM(made, 3, data);
    PyTuple_SET_ITEM(made, 4, came);
    return made;
}

static void forget(int count) {
    for (int i = 0; i < count; i++) Py_CLEAR(incoming[i].entry);
}

/* Makes media of a batch that was read plain: how many datagrams; -1 with an exception. The caller ends it by `forget`. The lock
 * is not given away for a few: to come back to it costs as much as their cipher. */
static int make_plain(int count, PyObject *table) {
    if (count < 0) {
        errno = -count;
        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : (PyErr_SetFromErrno(PyExc_OSError), -1);
    }
    if (!look_up(table, count)) return forget(count), -1;
    if (count <= FEW) return unprotect_batch(count), count;
    busy = 1;
    Py_BEGIN_ALLOW_THREADS;
    unprotect_batch(count);
    Py_END_ALLOW_THREADS;
    busy = 0;
    return count;
}

/* Reads a batch, as `make_plain` gives it. */
static int read_plain(int fd, PyObject *table) {
    int count;
    busy = 1;
    Py_BEGIN_ALLOW_THREADS;
    count = read_batch(fd);
    Py_END_ALLOW_THREADS;
    busy = 0;
    return make_plain(count, table);
}

/* What of a datagram of the second socket is to be told goes to `told`, where it is feedback alone, else it goes to `left`.
 * 1 when it can wait: quiet feedback, and receiver reports, of which the kernel sorts no other here than those that are alone. 0
 * when not, -1 with an exception. */
static int sort_told(int i, double now, PyObject *told, PyObject *left) {
    Incoming *in = &incoming[i];
    PyObject *lane = in->entry && in->kind == RTCP ? PyTuple_GET_ITEM(in->entry, 3) : Py_None;
    int quiet = lane == Py_None ? -1 : told_by(lane, in_bytes[i], in->size, now - in->age_s, told);
    if (quiet >= 0 || PyErr_Occurred()) return quiet;
    PyObject *one = as_tuple(i, now);
    int good = one && !PyList_Append(left, one);
    Py_XDECREF(one);
    return good ? in->kind == RTCP && in_bytes[i][1] == RECEIVER_REPORT : -1;
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* receive(fd, table): the datagrams that are there, at most BATCH, as ([(Receiver, meter.Told)], [(tag or None, path, kind, data,
 * when it came)]). The first is what receivers are to be told of transport-wide feedback, taken by told.c. `table` is {sockaddr bytes:
 * (session address or 0, tag, path, lane or None)}. Media of a known address comes in
 * clear as kind 1 (RTP) or 2 (RTCP), or as 3 when it is not authentic; all else as kind 0. OSError when the socket fails. */
static PyObject *receive(PyObject *self, PyObject *args) {
    int fd;
    PyObject *table;
    (void)self;
    if (!PyArg_ParseTuple(args, "iO!", &fd, &PyDict_Type, &table) || !ready()) return NULL;
    int count = read_plain(fd, table);
    if (count < 0) return NULL;
    double now = seconds_now();
    PyObject *told = PyList_New(0), *left = PyList_New(0);
    int good = told && left;
    for (int i = 0; good && i < count; i++) good = sort_told(i, now, told, left) >= 0;
    forget(count);
    PyObject *found = good ? PyTuple_Pack(2, told, left) : NULL;
    Py_XDECREF(told);
    Py_XDECREF(left);
    return found;
}

/* ---- sending ---- */

typedef struct {
    const uint8_t *data;
    int size, is_rtcp;
    Py_ssize_t next; /* to the same target, or -1 */
} Packet;

/* Where the packets of this call go: an open hash from the id's address to its target, emptied by `round`. */
static struct {
    Target to;
    Py_ssize_t first, last; /* of a chain of packets */
} targets[TARGETS];
static struct {
    PyObject *id;
    unsigned round;
    int target;
} places[TARGETS * 4];
static unsigned this_round;
static int target_count;

/* The index of a transport's target; -1 when there is no way to it, -2 with an exception. */
static int find_target(PyObject *id, PyObject *routes) {
    size_t at = ((uintptr_t)id >> 4) % (TARGETS * 4);
    for (; places[at].round == this_round; at = (at + 1) % (TARGETS * 4))
        if (places[at].id == id) return places[at].target;
    if (target_count == TARGETS) return -1;
    int found = sender_route(PyDict_GetItemWithError(routes, id), &targets[target_count].to);
    if (found <= 0) return found - 1;
    targets[target_count].first = targets[target_count].last = -1;
    places[at].id = id;
    places[at].round = this_round;
    places[at].target = target_count;
    return target_count++;
}

/* Reads (id, packet, is_rtcp); 0 with an exception. */
static int read_packet(PyObject *item, Packet *packet) {
    PyObject *data = PyTuple_Check(item) && PyTuple_GET_SIZE(item) == 3 ? PyTuple_GET_ITEM(item, 1) : NULL;
    Py_ssize_t size = -1;
    if (data && PyByteArray_Check(data)) {
        packet->data = (const uint8_t *)PyByteArray_AS_STRING(data), size = PyByteArray_GET_SIZE(data);
    } else if (data && PyBytes_Check(data)) {
        packet->data = (const uint8_t *)PyBytes_AS_STRING(data), size = PyBytes_GET_SIZE(data);
    }
    if (size < 8 || size > DATAGRAM) {
        PyErr_SetString(PyExc_ValueError, "packets are (id, bytes or bytearray of 8 to 2048, is_rtcp)");
        return 0;
    }
    packet->size = (int)size;
    packet->is_rtcp = PyTuple_GET_ITEM(item, 2) == Py_True;
    packet->next = -1;
    return 1;
}

/* Sorts the packets by target, each target's in their order; what has no target is appended to `rest`. */
static int sort_packets(PyObject *list, PyObject *routes, PyObject *rest, Packet *packets) {
    target_count = 0;
    if (++this_round == 0) this_round = 1;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        PyObject *item = PyList_GET_ITEM(list, i);
        if (!read_packet(item, &packets[i])) return 0;
        int found = find_target(PyTuple_GET_ITEM(item, 0), routes);
        if (found == -2 || (found == -1 && PyList_Append(rest, item))) return 0;
        if (found < 0) continue;
        if (targets[found].first < 0) targets[found].first = i;
        else packets[targets[found].last].next = i;
        targets[found].last = i;
    }
    return 1;
}

static void send_target(int t, const Packet *packets) {
    Run run;
    sender_open(&run, &targets[t].to);
    for (Py_ssize_t i = targets[t].first; i >= 0; i = packets[i].next) {
        const Packet *p = &packets[i];
        uint8_t *at = sender_room(&run, p->size);
        memcpy(at, p->data, (size_t)p->size);
        sender_take(&run, at, p->size, p->is_rtcp);
    }
    sender_close(&run);
}

/* What became of what was sent. */
typedef struct {
    long sent, dropped;
    int gso_errno;
} Sent;

/* Protects and sends; 0 with an exception. */
static int send_list(int fd, int gso, PyObject *list, PyObject *routes, PyObject *rest, Sent *sent) {
    Py_ssize_t count = PyList_GET_SIZE(list);
    Packet *packets = PyMem_Malloc((count ? count : 1) * sizeof *packets);
    if (!packets) return PyErr_NoMemory(), 0;
    int good = sort_packets(list, routes, rest, packets);
    if (good) {
        busy = 1;
        Py_BEGIN_ALLOW_THREADS;
        sender_begin(fd, gso);
        for (int t = 0; t < target_count; t++) send_target(t, packets);
        sender_end(&sent->sent, &sent->dropped, &sent->gso_errno);
        Py_END_ALLOW_THREADS;
        busy = 0;
    }
    PyMem_Free(packets);
    return good;
}

/* send(fd, gso, packets, routes, rest): protects and sends [(id, packet, is_rtcp)], in order for each id, where routes
 * is {id: (session address or Sealer, sockaddr bytes)}; packets of other ids are appended to `rest`. Returns (sent, dropped, errno
 * that turned GSO off or 0). The kernel never blocks it. */
static PyObject *send_batch(PyObject *self, PyObject *args) {
    int fd, gso;
    PyObject *list, *routes, *rest;
    (void)self;
    if (!PyArg_ParseTuple(args, "ipO!O!O!", &fd, &gso, &PyList_Type, &list, &PyDict_Type, &routes, &PyList_Type, &rest) ||
        !ready()) return NULL;
    Sent sent;
    if (!send_list(fd, gso, list, routes, rest, &sent)) return NULL;
    return Py_BuildValue("(lli)", sent.sent, sent.dropped, sent.gso_errno);
}

/* ---- all the way ---- */

/* Of one call of `relay` or `pass_on`. */
typedef struct {
    int fd, gso, gso_errno;
    PyObject *table, *routes;
    long received, sent, dropped;
    PyObject *left, *rest, *wake; /* lists */
    PyObject *told, *reports;     /* lists: what the second socket brought */
    PyObject *lane;               /* of what was taken and waits in direct.c, borrowed from the table's entry */
    double looked;                /* when the second socket was last read, 0 for not at all */
} Pass;

static int leave(Pass *p, int i, double now) {
    PyObject *one = as_tuple(i, now);
    int good = one && !PyList_Append(p->left, one);
    Py_XDECREF(one);
    return good;
}

static void count_sent(Pass *p, const Sent *sent) {
    p->sent += sent->sent, p->dropped += sent->dropped;
    if (sent->gso_errno) p->gso_errno = sent->gso_errno, p->gso = 0;
}

/* Sends what simply leaves. */
static void send_direct(Pass *p) {
    Sent sent;
    busy = 1;
    Py_BEGIN_ALLOW_THREADS;
    sender_begin(p->fd, p->gso);
    direct_send();
    sender_end(&sent.sent, &sent.dropped, &sent.gso_errno);
    Py_END_ALLOW_THREADS;
    busy = 0;
    count_sent(p, &sent);
}

/* Of the copies that Python, or a pacer, has a say in: what leaves now leaves. */
static int settle(Pass *p, PyObject *fresh, PyObject *now) {
    Sent sent;
    unsigned long asked = outgoing_decisions;
    PyObject *arguments[3] = {fresh, relay_receivers(p->lane), now}, *leaves = outgoing(NULL, arguments, 3);
    int good = leaves && (asked == outgoing_decisions || !PyList_Append(p->wake, relay_flush(p->lane)));
    good = good && (!PyList_GET_SIZE(leaves) || send_list(p->fd, p->gso, leaves, p->routes, p->rest, &sent));
    if (good && PyList_GET_SIZE(leaves)) count_sent(p, &sent);
    Py_XDECREF(leaves);
    return good;
}

/* Hands on what was taken of the packets of one room. */
static int hand_out(Pass *p, PyObject *now_object, double now) {
    PyObject *fresh = PyList_New(0);
    int good = fresh && direct_hand_out(p->routes, now, fresh);
    if (good && direct_jobs()) send_direct(p);
    good = good && (!PyList_GET_SIZE(fresh) || settle(p, fresh, now_object));
    direct_forget();
    Py_XDECREF(fresh);
    return good;
}

/* Takes a batch that is read and in clear; from the first packet on that is out of the ordinary, media goes to `left`. */
static int take_batch(Pass *p, int count) {
    double now = seconds_now();
    PyObject *now_object = PyFloat_FromDouble(now);
    int good = now_object != NULL, ordinary = 1;
    for (int i = 0; good && i < count; i++) {
        Incoming *in = &incoming[i];
        PyObject *lane = in->entry ? PyTuple_GET_ITEM(in->entry, 3) : Py_None;
        int taken = 0;
        if (in->kind == RTP && ordinary && lane != Py_None) {
            if (p->lane && relay_receivers(p->lane) != relay_receivers(lane)) good = hand_out(p, now_object, now);
            p->lane = lane;
            taken = good ? relay_forward(lane, in_bytes[i], in->size, now_object, now, NULL) : -1;
        }
        if (in->kind == RTP && !taken) ordinary = 0;
        if (taken < 0 || (!taken && !leave(p, i, now))) good = 0;
    }
    good = good && (!p->lane || hand_out(p, now_object, now));
    direct_forget();
    p->lane = NULL;
    Py_XDECREF(now_object);
    return good;
}

/* Takes a batch that was read, or what came of reading; 0 with an exception. An ICMP answer to an earlier send is passed over:
 * the socket is good. */
static int take_some(Pass *p, int count) {
    if (count < 0) return PyErr_ExceptionMatches(PyExc_OSError) ? (PyErr_Clear(), 1) : 0;
    p->received += count;
    int good = !count || take_batch(p, count);
    forget(count);
    return good;
}

static int something_left(const Pass *p) {
    return p->gso_errno || PyList_GET_SIZE(p->left) || PyList_GET_SIZE(p->rest) || PyList_GET_SIZE(p->wake);
}

/* Reads the second socket: what cannot wait is told with its room's `flush` behind it. 0 with an exception. */
static int take_feedback(Pass *p, int fd) {
    int count = read_plain(fd, p->table), good = 1;
    if (count < 0) return PyErr_ExceptionMatches(PyExc_OSError) ? (PyErr_Clear(), 1) : 0;
    double now = seconds_now();
    p->received += count;
    for (int i = 0; good && i < count; i++) {
        Py_ssize_t before = PyList_GET_SIZE(p->reports);
        int waits = sort_told(i, now, p->told, p->reports);
        good = waits >= 0;
        if (waits) continue;
        if (PyList_GET_SIZE(p->reports) == before)
            good = !PyList_Append(p->wake, relay_flush(PyTuple_GET_ITEM(incoming[i].entry, 3)));
        else
            good = !PyList_Append(p->left, PyList_GET_ITEM(p->reports, before)) &&
                   !PyList_SetSlice(p->reports, before, before + 1, NULL);
    }
    forget(count);
    return good;
}

static int begin_pass(Pass *p) {
    p->left = PyList_New(0), p->rest = PyList_New(0), p->wake = PyList_New(0);
    p->told = PyList_New(0), p->reports = PyList_New(0);
    return p->left && p->rest && p->wake && p->told && p->reports;
}

static PyObject *end_pass(Pass *p, int good, int ready) {
    PyObject *made = good ? Py_BuildValue("(idllliOOOOO)", ready, p->looked, p->received, p->sent, p->dropped, p->gso_errno, p->left, p->rest,
                                          p->wake, p->told, p->reports)
                          : NULL;
    Py_XDECREF(p->left);
    Py_XDECREF(p->rest);
    Py_XDECREF(p->wake);
    Py_XDECREF(p->told);
    Py_XDECREF(p->reports);
    return made;
}

/* pass_on(fd, gso, table, routes): one batch, as `relay` takes it. */
static PyObject *pass_on(PyObject *self, PyObject *args) {
    Pass p = {0};
    (void)self;
    if (!PyArg_ParseTuple(args, "ipO!O!", &p.fd, &p.gso, &PyDict_Type, &p.table, &PyDict_Type, &p.routes) || !ready()) return NULL;
    int good = begin_pass(&p) && take_some(&p, read_plain(p.fd, p.table));
    return end_pass(&p, good, 0);
}

static const double FEEDBACK_S = 0.02;

/* What `wait_for` came back for. */
enum Found { TIME, MEDIA, ELSE };

/* Waits at most until `until`, for the socket alone or for something else. */
static enum Found wait_for(int poll, int fd, double until) {
    struct epoll_event ready_now[2];
    for (;;) {
        double left = until - seconds_now();
        if (left < 0) return TIME;
        int count = epoll_wait(poll, ready_now, 2, left > 3600 ? 3600000 : (int)(left * 1000) + 1);
        if (count) return count == 1 && ready_now[0].data.fd == fd ? MEDIA : ELSE;
    }
}

/* relay(poll, seconds, fd, gso, table, routes, second): takes what comes at the socket `fd`, as long as nothing else is ready at
 * the epoll `poll`, no time is over and every packet is an ordinary one; and, whenever that woke it, what lies at the socket
 * `second` (-1 for none), which wakes nobody, every FEEDBACK_S. Then (1 when something else may be ready, when that socket was read, received, sent, dropped, errno that turned GSO
 * off or 0, datagrams for Python as `receive` gives them, packets without a route, what is to be called, what receivers are to be told first, and
 * reports that could wait so far). */
static PyObject *relay(PyObject *self, PyObject *args) {
    static double looked;
    Pass p = {0};
    enum Found found = MEDIA;
    int poll, second, good;
    double seconds;
    (void)self;
    if (!PyArg_ParseTuple(args, "idipO!O!i", &poll, &seconds, &p.fd, &p.gso, &PyDict_Type, &p.table, &PyDict_Type, &p.routes,
                          &second) || !ready()) return NULL;
    double until = seconds_now() + seconds;
    good = begin_pass(&p);
    while (good && found == MEDIA && !something_left(&p)) {
        int count = 0;
        busy = 1;
        Py_BEGIN_ALLOW_THREADS;
        found = wait_for(poll, p.fd, until);
        if (found == MEDIA) count = read_batch(p.fd);
        Py_END_ALLOW_THREADS;
        busy = 0;
        if (found != MEDIA) break;
        good = take_some(&p, make_plain(count, p.table));
        if (good && second >= 0 && seconds_now() - looked >= FEEDBACK_S) good = take_feedback(&p, second), p.looked = looked = seconds_now();
    }
    return end_pass(&p, good, found == ELSE);
}

static PyMethodDef methods[] = {
    {"use", use, METH_VARARGS, "use(protect, protect_rtcp, unprotect, unprotect_rtcp): addresses of libsrtp's functions"},
    {"use_cipher", use_cipher, METH_VARARGS, "use_cipher(...): addresses of libcrypto's functions, for Sealer"},
    {"sockaddr", sockaddr_of, METH_VARARGS, "sockaddr(host, port): the socket address of a numeric host, as bytes"},
    {"receive", receive, METH_VARARGS, "receive(fd, table): feedback that was taken, and the other datagrams that are there"},
    {"send", send_batch, METH_VARARGS, "send(fd, gso, packets, routes, rest): (sent, dropped, errno that turned GSO off or 0)"},
    {"pass_on", pass_on, METH_VARARGS, "pass_on(fd, gso, table, routes): one batch, as relay takes it"},
    {"relay", relay, METH_VARARGS, "relay(poll, seconds, fd, gso, table, routes, second): ordinary packets, until something else is ready"},
    {"bind_relay", bind_relay, METH_VARARGS, "bind_relay(classes, ...): remember their slots"},
    {"forward_received", (PyCFunction)(void (*)(void))forward_received, METH_FASTCALL, "forward_received(lane, packet, now, out)"},
    {"bind_fanout", bind_fanout, METH_VARARGS, "bind_fanout(Downlink, Span, Stored, Port): remember their slots"},
    {"fan_out", (PyCFunction)(void (*)(void))fan_out, METH_FASTCALL, "fan_out(out, downlinks, stored): see sfu/fanout.py"},
    {"read_feedback", read_feedback, METH_O, "read_feedback(body): see rtp/transport_feedback.py"},
    {"bind_intake", bind_intake, METH_VARARGS, "bind_intake(Header, Stored, ids): remember their slots"},
    {"read_received", (PyCFunction)(void (*)(void))read_received, METH_FASTCALL, "read_received(packet, id): see sfu/intake.py"},
    {"store_received", (PyCFunction)(void (*)(void))store_received, METH_FASTCALL, "store_received(...): see sfu/intake.py"},
    {"bind_allowance", bind_allowance, METH_O, "bind_allowance(BURST_S): what a full Allowance holds"},
    {"bind_told", bind_told, METH_VARARGS, "bind_told(classes ...): remember their slots"},
    {"take_told", (PyCFunction)(void (*)(void))take_told, METH_FASTCALL, "take_told(lane, packet, now): see native/told.c"},
    {"bind_meter", bind_meter, METH_VARARGS, "bind_meter(NORMAL, OVER, UNDER): what a Meter's summary says of the delay"},
    {"bind_outgoing", bind_outgoing, METH_VARARGS, "bind_outgoing(Receiver, Pacer, BURST_S): remember their slots"},
    {"outgoing", (PyCFunction)(void (*)(void))outgoing, METH_FASTCALL, "outgoing(packets, receivers, now): what leaves"},
    {"bind_ring", bind_ring, METH_VARARGS, "bind_ring(encoder of a loss, KEEP_CONTROL)"},
    {"pack_cluster", (PyCFunction)(void (*)(void))pack_cluster, METH_FASTCALL, "pack_cluster(start_ms, blocks): see webm.py"},
    {"tape_packet", (PyCFunction)(void (*)(void))tape_packet, METH_FASTCALL, "tape_packet(tape, packet, now): True when kept"},
    {"bind_straight", bind_straight, METH_VARARGS, "bind_straight(types, FeedFault, kinds, bounds): remember their slots"},
    {"take_straight", (PyCFunction)(void (*)(void))take_straight, METH_FASTCALL, "take_straight(...): see recording/straight.py"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_batch", "Batches of datagrams through libsrtp and the kernel.", -1, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__batch(void) {
    if (PyType_Ready(&MeterType) || PyType_Ready(&AllowanceType) || PyType_Ready(&TapeType) || PyType_Ready(&RingType) ||
        PyType_Ready(&SealerType) || PyType_Ready(&ArrivalsType))
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module && (PyModule_AddObjectRef(module, "Meter", (PyObject *)&MeterType) ||
                   PyModule_AddObjectRef(module, "Allowance", (PyObject *)&AllowanceType) ||
                   PyModule_AddObjectRef(module, "FeedRing", (PyObject *)&RingType) ||
                   PyModule_AddObjectRef(module, "TwccReceiver", (PyObject *)&ArrivalsType) ||
                   PyModule_AddObjectRef(module, "Sealer", (PyObject *)&SealerType)))
        Py_CLEAR(module);
    return module;
}
