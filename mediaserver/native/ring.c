/* SPDX-License-Identifier: Apache-2.0
 *
 * `mediaserver/recording/ring.py` in C: the records of all tracks, what leaves them and what is told of it, by the same
 * rules and in the same bytes. All records hang on one list in their order, and on one of their track; the connection is
 * at a place of the first. None of them is an object of Python's, so that the collector has nothing to look through.
 */
#define PY_SSIZE_T_CLEAN
#include "ring.h"
#include "wire.h"
#include <string.h>

enum { CONTROL = 0, PACKET_HEAD = 25, KIND_PACKET = 6, NOT_RTP = -1 };

typedef struct Entry {
    struct Entry *before, *after; /* of all tracks */
    struct Entry *next;           /* of its own */
    struct Tape *tape;            /* has it in its list, so it is there */
    long long order, number, arrival_us;
    Py_ssize_t size;
    int sequence;
    uint8_t data[];
} Entry;

typedef struct {
    long long first_number, last_number, first_us, last_us, packets;
    int first_sequence, last_sequence;
} Loss;

typedef struct Ring Ring;

/* One track. What the compiled plane records goes in through it. */
typedef struct Tape {
    PyObject_HEAD
    Ring *ring;         /* NULL once it is forgotten */
    PyObject *name;     /* its number */
    PyObject *recorded; /* the set of those whose session is recorded now, or NULL where only Python gives packets */
    long long offset_us; /* of UTC from the steady clock */
    uint32_t track;
    Entry *first, *last;
    Py_ssize_t size_bytes;
    long long count, last_number, acknowledged, seen_number, seen_us;
    Loss lost;
    int has_lost, untold, closed;
} Tape;

struct Ring {
    PyObject_HEAD
    long long keep_us, order, unsent_records, overflowed, packets;
    Py_ssize_t keep_bytes, kept_bytes, unsent_bytes;
    PyObject *tapes; /* number -> Tape */
    Entry *first, *last, *unsent;
    int connected;
};

static PyObject *told; /* (track, first and last number, sequence and arrival, packets) -> an encoded record */
static long long keep_control;

/* bind_ring(encoder of a loss, KEEP_CONTROL) */
PyObject *bind_ring(PyObject *self, PyObject *args) {
    PyObject *encoder;
    long long most;
    (void)self;
    if (!PyArg_ParseTuple(args, "OL", &encoder, &most)) return NULL;
    if (!PyCallable_Check(encoder)) return PyErr_SetString(PyExc_TypeError, "an encoder of losses"), NULL;
    Py_XSETREF(told, Py_NewRef(encoder));
    keep_control = most;
    Py_RETURN_NONE;
}

/* ---- entries ---- */

static int is_unsent(const Ring *r, const Entry *e) { return !r->connected || (r->unsent && e->order >= r->unsent->order); }

/* Takes the oldest record of a track out of everything. */
static void drop_first(Ring *r, Tape *t) {
    Entry *e = t->first;
    if (r->connected && is_unsent(r, e)) r->unsent_records--, r->unsent_bytes -= e->size;
    if (r->unsent == e) r->unsent = e->after;
    if (e->before) e->before->after = e->after;
    else r->first = e->after;
    if (e->after) e->after->before = e->before;
    else r->last = e->before;
    if (!(t->first = e->next)) t->last = NULL;
    t->size_bytes -= e->size, r->kept_bytes -= e->size, t->count--;
    PyMem_Free(e);
}

/* It leaves without an acknowledgement. */
static void evict(Ring *r, Tape *t) {
    const Entry *e = t->first;
    int unsent = is_unsent(r, e), sequence = e->sequence;
    long long number = e->number, arrival_us = e->arrival_us;
    drop_first(r, t);
    if (sequence == NOT_RTP) return;
    if (!t->has_lost) t->lost = (Loss){.first_number = number, .first_sequence = sequence, .first_us = arrival_us};
    t->has_lost = 1;
    t->lost.last_number = number, t->lost.last_sequence = sequence, t->lost.last_us = arrival_us, t->lost.packets++;
    if (unsent) t->untold = 1, r->overflowed++;
}

static void bound(Ring *r, Tape *t, long long now_us) {
    if (t->track == CONTROL) {
        while (t->count > keep_control) evict(r, t);
        return;
    }
    while (t->first && (t->first->arrival_us < now_us - r->keep_us || t->size_bytes > r->keep_bytes)) evict(r, t);
}

static void put64(uint8_t *at, uint64_t value) { put32(at, (uint32_t)(value >> 32)), put32(at + 4, (uint32_t)value); }

/* A record's room, not yet anywhere. */
static Entry *fresh(Py_ssize_t size) {
    Entry *e = PyMem_Malloc(sizeof *e + (size_t)size);
    if (!e) return (Entry *)PyErr_NoMemory();
    e->size = size;
    return e;
}

static void keep(Ring *r, Tape *t, Entry *e, long long now_us, int sequence) {
    e->order = ++r->order, e->number = ++t->last_number, e->arrival_us = now_us, e->sequence = sequence, e->tape = t;
    e->after = e->next = NULL, e->before = r->last;
    if (r->last) r->last->after = e;
    else r->first = e;
    r->last = e;
    if (t->last) t->last->next = e;
    else t->first = e;
    t->last = e;
    t->size_bytes += e->size, r->kept_bytes += e->size, t->count++;
    if (r->connected) {
        if (!r->unsent) r->unsent = e;
        r->unsent_records++, r->unsent_bytes += e->size;
    }
    bound(r, t, now_us);
}

static int keep_packet(Ring *r, Tape *t, const uint8_t *packet, Py_ssize_t size, unsigned long long arrival_us) {
    if (size < 4) return PyErr_SetString(PyExc_IndexError, "no RTP packet"), 0;
    Entry *e = fresh(PACKET_HEAD + size);
    if (!e) return 0;
    put32(e->data, (uint32_t)(size + PACKET_HEAD - 4));
    e->data[4] = KIND_PACKET;
    put32(e->data + 5, t->track);
    put64(e->data + 9, (uint64_t)(t->last_number + 1));
    put64(e->data + 17, arrival_us);
    memcpy(e->data + PACKET_HEAD, packet, (size_t)size);
    r->packets++;
    keep(r, t, e, (long long)arrival_us, packet[2] << 8 | packet[3]);
    return 1;
}

/* ---- tracks ---- */

static Tape *tape_of(Ring *r, PyObject *name) {
    PyObject *found = PyDict_GetItemWithError(r->tapes, name);
    if (!found && !PyErr_Occurred()) PyErr_SetObject(PyExc_KeyError, name);
    return (Tape *)found;
}

static void let_go(Ring *r, Tape *t) {
    while (t->first) drop_first(r, t);
    t->ring = NULL;
    Py_CLEAR(t->recorded);
}

static int forget(Ring *r, Tape *t) {
    if (t->track == CONTROL || !t->closed || t->first || t->has_lost) return 1;
    let_go(r, t);
    return !PyDict_DelItem(r->tapes, t->name);
}

static int acknowledge(Ring *r, Tape *t, long long number) {
    if (number <= t->acknowledged) return 1;
    t->acknowledged = number < t->last_number ? number : t->last_number;
    while (t->first && t->first->number <= number) drop_first(r, t);
    if (t->has_lost && t->lost.last_number <= number) t->has_lost = t->untold = 0;
    return forget(r, t);
}

/* acknowledge(track, number), of a track that may be forgotten. */
static int acknowledge_named(Ring *r, PyObject *name, PyObject *number) {
    Tape *t = (Tape *)PyDict_GetItemWithError(r->tapes, name);
    if (!t) return !PyErr_Occurred();
    int over = 0;
    long long value = PyLong_AsLongLongAndOverflow(number, &over);
    if (value == -1 && !over && PyErr_Occurred()) return 0;
    return acknowledge(r, t, over > 0 ? INT64_MAX : over < 0 ? INT64_MIN : value);
}

static void tape_dealloc(PyObject *self) {
    Tape *t = (Tape *)self;
    if (t->ring) let_go(t->ring, t);
    Py_XDECREF(t->name);
    Py_XDECREF(t->recorded);
    Py_TYPE(self)->tp_free(self);
}

PyTypeObject TapeType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_batch.Tape", .tp_basicsize = sizeof(Tape), .tp_dealloc = tape_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_doc = "A recorded track, for the compiled plane to put packets into.",
};

static int add_tape(Ring *r, PyObject *name) {
    unsigned long track = PyLong_AsUnsignedLong(name);
    if (PyErr_Occurred()) return 0;
    if (track > UINT32_MAX || PyDict_Contains(r->tapes, name)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "a track is added once, under 32 bits");
        return 0;
    }
    Tape *t = (Tape *)TapeType.tp_alloc(&TapeType, 0);
    if (!t) return 0;
    t->name = Py_NewRef(name), t->track = (uint32_t)track, t->ring = r;
    int good = !PyDict_SetItem(r->tapes, name, (PyObject *)t);
    Py_DECREF(t);
    return good;
}

/* For relay.c: 1 when packets of this tape are kept now, 0 when not or when it is no tape, -1 with an exception. */
int tape_runs(PyObject *tape) {
    if (!tape || !Py_IS_TYPE(tape, &TapeType)) return 0;
    const Tape *t = (const Tape *)tape;
    return t->ring && t->recorded ? PySet_Contains(t->recorded, t->name) : 0;
}

/* Keeps a packet of a tape that runs; 0 with an exception. */
int tape_keep(PyObject *tape, const uint8_t *packet, long size, double now) {
    Tape *t = (Tape *)tape;
    return !t->ring || keep_packet(t->ring, t, packet, size, (unsigned long long)((long long)(now * 1e6) + t->offset_us));
}

/* tape_packet(tape, packet, now): True when it was kept, as relay.c keeps it. */
PyObject *tape_packet(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    (void)self;
    if (count != 3 || !PyBytes_Check(args[1]) || !PyFloat_Check(args[2]))
        return PyErr_SetString(PyExc_TypeError, "tape_packet(tape, bytes, float)"), NULL;
    int runs = tape_runs(args[0]);
    if (runs > 0 && !tape_keep(args[0], (const uint8_t *)PyBytes_AS_STRING(args[1]), (long)PyBytes_GET_SIZE(args[1]),
                               PyFloat_AS_DOUBLE(args[2]))) runs = -1;
    return runs < 0 ? NULL : PyBool_FromLong(runs);
}

/* ---- the ring ---- */

static PyObject *ring_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {"keep_us", "keep_bytes", NULL};
    long long keep_us;
    Py_ssize_t keep_bytes;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "Ln", names, &keep_us, &keep_bytes)) return NULL;
    if (!told) return PyErr_SetString(PyExc_RuntimeError, "call bind_ring() first"), NULL;
    Ring *r = (Ring *)type->tp_alloc(type, 0);
    if (!r) return NULL;
    r->keep_us = keep_us, r->keep_bytes = keep_bytes, r->tapes = PyDict_New();
    PyObject *control = PyLong_FromLong(CONTROL);
    int good = r->tapes && control && add_tape(r, control);
    Py_XDECREF(control);
    if (!good) Py_CLEAR(r);
    return (PyObject *)r;
}

static void ring_dealloc(PyObject *self) {
    Ring *r = (Ring *)self;
    PyObject *name, *tape;
    for (Py_ssize_t at = 0; r->tapes && PyDict_Next(r->tapes, &at, &name, &tape);) let_go(r, (Tape *)tape);
    Py_XDECREF(r->tapes);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *ring_add_track(PyObject *self, PyObject *name) {
    if (!add_tape((Ring *)self, name)) return NULL;
    Py_RETURN_NONE;
}

static PyObject *ring_close_track(PyObject *self, PyObject *name) {
    Tape *t = tape_of((Ring *)self, name);
    if (!t) return NULL;
    t->closed = 1;
    if (!forget((Ring *)self, t)) return NULL;
    Py_RETURN_NONE;
}

static PyObject *ring_next_number(PyObject *self, PyObject *name) {
    const Tape *t = tape_of((Ring *)self, name);
    return t ? PyLong_FromLongLong(t->last_number + 1) : NULL;
}

static PyObject *ring_append(PyObject *self, PyObject *args, PyObject *keywords) {
    static char *names[] = {"track", "data", "now_us", "sequence", NULL};
    PyObject *name;
    Py_buffer data;
    long long now_us;
    int sequence = NOT_RTP;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "Oy*L|i", names, &name, &data, &now_us, &sequence)) return NULL;
    Tape *t = tape_of((Ring *)self, name);
    Entry *e = t ? fresh(data.len) : NULL;
    if (e) memcpy(e->data, data.buf, (size_t)data.len), keep((Ring *)self, t, e, now_us, sequence < 0 ? NOT_RTP : sequence);
    PyBuffer_Release(&data);
    if (!e) return NULL;
    Py_RETURN_NONE;
}

static PyObject *ring_append_packet(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    Py_buffer packet;
    if (count != 3) return PyErr_SetString(PyExc_TypeError, "append_packet(track, packet, arrival_utc_us)"), NULL;
    Tape *t = tape_of((Ring *)self, args[0]);
    unsigned long long arrival_us = t ? PyLong_AsUnsignedLongLong(args[2]) : 0;
    if (!t || PyErr_Occurred() || PyObject_GetBuffer(args[1], &packet, PyBUF_SIMPLE)) return NULL;
    int good = keep_packet((Ring *)self, t, packet.buf, packet.len, arrival_us);
    PyBuffer_Release(&packet);
    if (!good) return NULL;
    Py_RETURN_NONE;
}

static PyObject *ring_tape(PyObject *self, PyObject *args) {
    PyObject *name, *recorded;
    long long offset_us;
    if (!PyArg_ParseTuple(args, "OO!L", &name, &PySet_Type, &recorded, &offset_us)) return NULL;
    Tape *t = tape_of((Ring *)self, name);
    if (!t) return NULL;
    Py_XSETREF(t->recorded, Py_NewRef(recorded));
    t->offset_us = offset_us;
    return Py_NewRef(t);
}

static PyObject *ring_expire(PyObject *self, PyObject *steady) {
    Ring *r = (Ring *)self;
    long long steady_us = PyLong_AsLongLong(steady);
    PyObject *tapes = PyErr_Occurred() ? NULL : PyDict_Values(r->tapes);
    int good = tapes != NULL;
    for (Py_ssize_t i = 0; good && i < PyList_GET_SIZE(tapes); i++) {
        Tape *t = (Tape *)PyList_GET_ITEM(tapes, i);
        if (t->last_number != t->seen_number) t->seen_number = t->last_number, t->seen_us = steady_us;
        if (t->last) bound(r, t, t->last->arrival_us + steady_us - t->seen_us);
        good = forget(r, t);
    }
    Py_XDECREF(tapes);
    if (!good) return NULL;
    Py_RETURN_NONE;
}

static PyObject *ring_acknowledge(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    if (count != 2) return PyErr_SetString(PyExc_TypeError, "acknowledge(track, number)"), NULL;
    if (!acknowledge_named((Ring *)self, args[0], args[1])) return NULL;
    Py_RETURN_NONE;
}

static PyObject *ring_connect(PyObject *self, PyObject *acknowledged) {
    Ring *r = (Ring *)self;
    PyObject *name, *number, *tape;
    if (!PyDict_Check(acknowledged)) return PyErr_SetString(PyExc_TypeError, "connect(dict)"), NULL;
    for (Py_ssize_t at = 0; PyDict_Next(acknowledged, &at, &name, &number);)
        if (!acknowledge_named(r, name, number)) return NULL;
    for (Py_ssize_t at = 0; PyDict_Next(r->tapes, &at, &name, &tape);) ((Tape *)tape)->untold = ((Tape *)tape)->has_lost;
    r->connected = 1, r->unsent = r->first, r->unsent_records = 0, r->unsent_bytes = r->kept_bytes;
    for (const Entry *e = r->first; e; e = e->after) r->unsent_records++;
    Py_RETURN_NONE;
}

static PyObject *ring_disconnect(PyObject *self, PyObject *unused) {
    Ring *r = (Ring *)self;
    (void)unused;
    r->connected = 0, r->unsent = NULL, r->unsent_records = r->unsent_bytes = 0;
    Py_RETURN_NONE;
}

/* Bytes that grow at their end. */
typedef struct {
    PyObject *bytes;
    Py_ssize_t at;
} Writer;

static int write_bytes(Writer *w, const void *data, Py_ssize_t size) {
    Py_ssize_t room = PyBytes_GET_SIZE(w->bytes);
    if (w->at + size > room && _PyBytes_Resize(&w->bytes, w->at + size + room / 2)) return 0;
    memcpy(PyBytes_AS_STRING(w->bytes) + w->at, data, (size_t)size);
    w->at += size;
    return 1;
}

/* Tells a loss that is not told yet; 0 with an exception. */
static int tell(Writer *w, Tape *t) {
    const Loss *l = &t->lost;
    if (!t->untold || !t->has_lost) return 1;
    PyObject *record = PyObject_CallFunction(told, "OLLiiLLL", t->name, l->first_number, l->last_number, l->first_sequence,
                                             l->last_sequence, l->first_us, l->last_us, l->packets);
    int good = record && PyBytes_Check(record) && write_bytes(w, PyBytes_AS_STRING(record), PyBytes_GET_SIZE(record));
    Py_XDECREF(record);
    if (good) t->untold = 0;
    else if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "a loss is told in bytes");
    return good;
}

static PyObject *ring_take(PyObject *self, PyObject *limit) {
    Ring *r = (Ring *)self;
    Py_ssize_t limit_bytes = PyLong_AsSsize_t(limit), size = 0;
    if (PyErr_Occurred()) return NULL;
    Py_ssize_t likely = r->unsent_bytes < limit_bytes ? r->unsent_bytes : limit_bytes + 2048;
    Writer w = {PyBytes_FromStringAndSize(NULL, likely > 0 ? likely : 0), 0};
    int good = w.bytes != NULL;
    while (good && r->unsent && size < limit_bytes) {
        const Entry *e = r->unsent;
        if (!(good = tell(&w, e->tape) && write_bytes(&w, e->data, e->size))) break;
        size += e->size;
        r->unsent = e->after, r->unsent_records--, r->unsent_bytes -= e->size;
    }
    PyObject *name, *tape;
    for (Py_ssize_t at = 0; good && r->connected && !r->unsent && PyDict_Next(r->tapes, &at, &name, &tape);)
        good = tell(&w, (Tape *)tape);
    if (!good) return Py_XDECREF(w.bytes), NULL;
    return _PyBytes_Resize(&w.bytes, w.at) ? NULL : w.bytes;
}

static PyObject *get_kept(PyObject *self, void *unused) {
    (void)unused;
    return PyLong_FromSsize_t(((Ring *)self)->kept_bytes);
}

static PyObject *get_unsent(PyObject *self, void *unused) {
    (void)unused;
    return PyLong_FromLongLong(((Ring *)self)->unsent_records);
}

static PyObject *get_has_unsent(PyObject *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(((Ring *)self)->unsent != NULL);
}

static PyObject *get_overflowed(PyObject *self, void *unused) {
    (void)unused;
    return PyLong_FromLongLong(((Ring *)self)->overflowed);
}

static PyObject *get_packets(PyObject *self, void *unused) {
    (void)unused;
    return PyLong_FromLongLong(((Ring *)self)->packets);
}

static PyGetSetDef ring_fields[] = {
    {"kept_bytes", get_kept, NULL, "memory held by all tracks", NULL},
    {"has_unsent", get_has_unsent, NULL, "something waits for the connected recorder", NULL},
    {"unsent_records", get_unsent, NULL, "records waiting for the connected recorder", NULL},
    {"overflowed_packets", get_overflowed, NULL, "packets that left before they were sent", NULL},
    {"packets", get_packets, NULL, "packets that were kept", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define FAST(function) (PyCFunction)(void (*)(void))function
static PyMethodDef ring_methods[] = {
    {"add_track", ring_add_track, METH_O, "add_track(number)"},
    {"close_track", ring_close_track, METH_O, "close_track(number)"},
    {"next_number", ring_next_number, METH_O, "next_number(track)"},
    {"append", FAST(ring_append), METH_VARARGS | METH_KEYWORDS, "append(track, data, now_us, sequence=-1)"},
    {"append_packet", FAST(ring_append_packet), METH_FASTCALL, "append_packet(track, packet, arrival_utc_us)"},
    {"tape", ring_tape, METH_VARARGS, "tape(track, set of recorded tracks, offset_us): for the compiled plane"},
    {"expire", ring_expire, METH_O, "expire(steady_us)"},
    {"acknowledge", FAST(ring_acknowledge), METH_FASTCALL, "acknowledge(track, number)"},
    {"connect", ring_connect, METH_O, "connect({track: number})"},
    {"disconnect", ring_disconnect, METH_NOARGS, "disconnect()"},
    {"take", ring_take, METH_O, "take(limit_bytes)"},
    {NULL, NULL, 0, NULL},
};

PyTypeObject RingType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_batch.FeedRing", .tp_basicsize = sizeof(Ring), .tp_dealloc = ring_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT, .tp_new = ring_new, .tp_methods = ring_methods, .tp_getset = ring_fields,
    .tp_doc = "As recording/ring.py's.",
};
