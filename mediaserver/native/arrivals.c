/* SPDX-License-Identifier: Apache-2.0
 *
 * `mediaserver/sfu/twcc.py`'s TwccReceiver in C: when each packet of a transport came, and the feedback that says so. The
 * same steps, to the same bytes; what they mean is said there.
 */
#define PY_SSIZE_T_CLEAN
#include "arrivals.h"
#include "wire.h"
#include <stdint.h>
#include <string.h>
#include <structmember.h>

enum { FEW = 64, MAX_PENDING = 4096, MAX_PACKETS = 512, TICKS_PER_S = 4000, TICKS_PER_REFERENCE = 256, HEAD = 20 };
enum Symbol { NOT_RECEIVED, SMALL, LARGE };

typedef struct {
    long long number, tick; /* extended number, time in 250 us */
} Arrival;

typedef struct {
    PyObject_HEAD
    Arrival *pending; /* by their numbers */
    int count, room, has_highest, has_reported;
    long long highest, reported, made, expected, came;
} Arrivals;

static PyObject *arrivals_new(PyTypeObject *type, PyObject *args, PyObject *names) {
    if (PyTuple_GET_SIZE(args) || (names && PyDict_GET_SIZE(names)))
        return PyErr_SetString(PyExc_TypeError, "TwccReceiver()"), NULL;
    return type->tp_alloc(type, 0); /* zeroed */
}

static void arrivals_free(PyObject *self) {
    PyMem_Free(((Arrivals *)self)->pending);
    Py_TYPE(self)->tp_free(self);
}

/* Room for one more; 0 with an exception. */
static int widen(Arrivals *a) {
    if (a->count < a->room) return 1;
    int room = a->room ? a->room * 2 : FEW;
    Arrival *wider = PyMem_Realloc(a->pending, (size_t)room * sizeof *wider);
    if (!wider) return PyErr_NoMemory(), 0;
    a->pending = wider, a->room = room;
    return 1;
}

/* As TwccReceiver.arrived; 0 with an exception. */
int arrivals_note(PyObject *self, long number, double now) {
    Arrivals *a = (Arrivals *)self;
    long long extended = number;
    if (a->has_highest) extended = a->highest + (((number - a->highest + 0x8000) & 0xffff) - 0x8000);
    if (!a->has_highest || extended > a->highest) a->highest = extended, a->has_highest = 1;
    if (a->count == MAX_PENDING) memmove(a->pending, a->pending + 1, (size_t)--a->count * sizeof *a->pending);
    int at = a->count;
    while (at && a->pending[at - 1].number > extended) at--;
    if (at && a->pending[at - 1].number == extended) return 1;
    if (!widen(a)) return 0;
    memmove(a->pending + at + 1, a->pending + at, (size_t)(a->count++ - at) * sizeof *a->pending);
    a->pending[at] = (Arrival){extended, (long long)(now * TICKS_PER_S)};
    return 1;
}

/* arrived(number, now) */
static PyObject *arrived(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    if (count != 2) return PyErr_SetString(PyExc_TypeError, "arrived(number, now)"), NULL;
    long number = PyLong_AsLong(args[0]);
    double now = PyFloat_AsDouble(args[1]);
    if (PyErr_Occurred()) return NULL;
    if (number < 0 || number > 0xffff || !(now >= 0 && now < 1e12))
        return PyErr_SetString(PyExc_ValueError, "no number of 16 bit, or no time"), NULL;
    if (!arrivals_note(self, number, now)) return NULL;
    Py_RETURN_NONE;
}

/* As _chunks: runs of seven and more, vectors of seven for the rest. Bytes written. */
static int write_chunks(uint8_t *out, const uint8_t *symbols, int total) {
    int size = 0;
    for (int at = 0; at < total; size += 2) {
        int run = 1;
        while (at + run < total && symbols[at + run] == symbols[at]) run++;
        if (run >= 7 || at + run == total) {
            put16(out + size, (unsigned long)symbols[at] << 13 | (unsigned long)run);
            at += run;
            continue;
        }
        unsigned long word = 0xc000;
        for (int i = 0; i < 7 && at + i < total; i++) word |= (unsigned long)symbols[at + i] << (12 - 2 * i);
        put16(out + size, word);
        at += 7;
    }
    return size;
}

/* As _one: one packet that reports from `*at` on, which moves on; NULL with an exception. */
static PyObject *one(Arrivals *a, int *at, unsigned long sender, unsigned long media, int gaps) {
    uint8_t symbols[MAX_PACKETS], deltas[2 * MAX_PACKETS], out[HEAD + 2 * MAX_PACKETS + 2 * MAX_PACKETS + 4];
    long long first = a->pending[*at].number, base = first, reference = a->pending[*at].tick / TICKS_PER_REFERENCE;
    long long previous = reference * TICKS_PER_REFERENCE;
    int total = 0, delta_bytes = 0;
    if (gaps && a->has_reported && first - a->reported > 1 && first - a->reported - 1 < MAX_PACKETS / 2) base = a->reported + 1;
    for (; *at < a->count; ++*at) {
        const Arrival *p = &a->pending[*at];
        long long delta = p->tick - previous;
        if (p->number - base >= MAX_PACKETS || (!gaps && p->number - base > total) || delta < -32768 || delta > 32767) break;
        while (total < p->number - base) symbols[total++] = NOT_RECEIVED;
        int small = delta >= 0 && delta <= 255;
        symbols[total++] = small ? SMALL : LARGE;
        if (small) deltas[delta_bytes++] = (uint8_t)delta;
        else put16(deltas + delta_bytes, (unsigned long)delta & 0xffff), delta_bytes += 2;
        previous = p->tick;
    }
    long long last = base + total - 1;
    if (!a->has_reported || last > a->reported) a->reported = last, a->has_reported = 1;
    put32(out + 4, sender), put32(out + 8, media);
    put16(out + 12, (unsigned long)base & 0xffff), put16(out + 14, (unsigned long)total);
    put32(out + 16, ((unsigned long)reference & 0xffffff) << 8 | ((unsigned long)a->made++ & 0xff));
    int size = HEAD + write_chunks(out + HEAD, symbols, total);
    memcpy(out + size, deltas, (size_t)delta_bytes);
    size += delta_bytes;
    int padding = -size & 3;
    memset(out + size, 0, (size_t)padding);
    size += padding;
    if (padding) out[size - 1] = (uint8_t)padding;
    out[0] = (uint8_t)(0x80 | (padding ? 0x20 : 0) | 15), out[1] = 205;
    put16(out + 2, (unsigned long)(size - 4) / 4);
    return PyBytes_FromStringAndSize((const char *)out, size);
}

/* feedback(sender_ssrc, media_ssrc, *, gaps=True): packets that report everything that came since the last call. */
static PyObject *feedback(PyObject *self, PyObject *args, PyObject *keywords) {
    static char *names[] = {"sender_ssrc", "media_ssrc", "gaps", NULL};
    Arrivals *a = (Arrivals *)self;
    unsigned long sender, media;
    int gaps = 1, at = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "kk|$p", names, &sender, &media, &gaps)) return NULL;
    PyObject *packets = PyList_New(0);
    if (packets && a->count) {
        long long spanned = a->pending[a->count - 1].number - (a->has_reported ? a->reported : a->pending[0].number - 1);
        a->came += a->count;
        if (spanned > 0) a->expected += spanned;
    }
    while (packets && at < a->count) {
        PyObject *packet = one(a, &at, sender, media, gaps);
        if (!packet || PyList_Append(packets, packet)) Py_CLEAR(packets);
        Py_XDECREF(packet);
    }
    a->count = 0;
    return packets;
}

static PyObject *pending(PyObject *self, void *closure) {
    const Arrivals *a = (const Arrivals *)self;
    PyObject *found = PyDict_New();
    (void)closure;
    for (int i = 0; found && i < a->count; i++) {
        PyObject *number = PyLong_FromLongLong(a->pending[i].number), *tick = PyLong_FromLongLong(a->pending[i].tick);
        if (!number || !tick || PyDict_SetItem(found, number, tick)) Py_CLEAR(found);
        Py_XDECREF(number);
        Py_XDECREF(tick);
    }
    return found;
}

static PyMethodDef arrivals_methods[] = {
    {"arrived", (PyCFunction)(void (*)(void))arrived, METH_FASTCALL, "arrived(number, now): a packet came"},
    {"feedback", (PyCFunction)(void (*)(void))feedback, METH_VARARGS | METH_KEYWORDS, "feedback(sender_ssrc, media_ssrc, *, gaps=True)"},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef arrivals_members[] = {
    {"expected", T_LONGLONG, offsetof(Arrivals, expected), READONLY, NULL},
    {"came", T_LONGLONG, offsetof(Arrivals, came), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef arrivals_getters[] = {
    {"pending", pending, NULL, "Extended number and tick of what is to be reported", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject ArrivalsType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "mediaserver.native._batch.TwccReceiver",
    .tp_doc = "See mediaserver/sfu/twcc.py.",
    .tp_basicsize = sizeof(Arrivals),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = arrivals_new,
    .tp_dealloc = arrivals_free,
    .tp_methods = arrivals_methods,
    .tp_members = arrivals_members,
    .tp_getset = arrivals_getters,
};
