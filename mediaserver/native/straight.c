/* SPDX-License-Identifier: Apache-2.0
 *
 * `mediaserver/recording/straight.py` in C: the feed is cut into records, and a packet that follows the one before (as
 * `FrameAssembler.follows` says) is put in its place. A frame that it completes goes to the part that is open, unless it
 * begins one or is a key picture. Whatever is not so plain is called for in Python, on the same objects.
 */
#define PY_SSIZE_T_CLEAN
#include "straight.h"
#include "slots.h"
#include "wire.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 17, OVERHEAD = HEAD - 4, ARRIVAL = 8, RTP_HEADER = 12, PACKET = 6 };
#define EXACT (1LL << 53) /* integers below are doubles without rounding */

enum Class { INTAKE, ASSEMBLER, PICTURES, VP8, SCALE, RECORD, CUTTER, PART, BLOCK, CLASSES };
enum Slot {
    I_HIGHEST, I_UTC, I_AT, I_HEARD, I_PENDING, I_ASSEMBLER, I_SCALE, I_ORIGIN,
    I_MEDIA, I_AWAITING, I_LAST_PTS, I_CUTTER,
    A_PICTURES, A_WAITING, A_NEXT, A_RTP_TIME, A_LAST_RTP,
    P_DAMAGED, P_PIECES, P_RTP_TIME, P_PACKETS, P_BYTES, P_KEYFRAME, P_SYNCED,
    S_ORIGIN, S_RTP_ORIGIN, S_RATE,
    C_PART, C_STEP, C_LAST_PTS,
    T_START, T_END, T_KEYFRAME, T_PACKETS, T_LAST, T_LAST_RTP, T_BLOCKS,
    SLOTS,
};

static const struct {
    enum Class class;
    const char *name;
} names[SLOTS] = {
    {INTAKE, "highest"}, {INTAKE, "_utc_ms"}, {INTAKE, "_at_ms"}, {INTAKE, "_heard_us"}, {INTAKE, "_pending"},
    {INTAKE, "_assembler"}, {INTAKE, "_scale"}, {INTAKE, "origin_utc_ms"},
    {INTAKE, "_media"}, {INTAKE, "_awaiting"}, {INTAKE, "_last_pts_ms"}, {INTAKE, "_cutter"},
    {ASSEMBLER, "_pictures"}, {ASSEMBLER, "_waiting"}, {ASSEMBLER, "_next"}, {ASSEMBLER, "_rtp_time"}, {ASSEMBLER, "_last_rtp"},
    {PICTURES, "damaged"}, {PICTURES, "_pieces"}, {PICTURES, "_rtp_time"}, {PICTURES, "_packets"}, {PICTURES, "_bytes"},
    {PICTURES, "_keyframe"}, {PICTURES, "_synced"},
    {SCALE, "origin_ms"}, {SCALE, "rtp_origin"}, {SCALE, "clock_rate"},
    {CUTTER, "part"}, {CUTTER, "_step_ms"}, {CUTTER, "_last_pts_ms"},
    {PART, "start_ms"}, {PART, "end_ms"}, {PART, "keyframe"}, {PART, "packets"}, {PART, "last_sequence"}, {PART, "last_rtp"},
    {PART, "blocks"},
};

static Py_ssize_t offsets[SLOTS];
static PyTypeObject *classes[CLASSES];
static PyObject *fault_type, *kinds, *arrived_name, *sound_name, *ended_name;
static long long record_bound, frame_bound, jump_ms, part_ms, continuous_ms, picture_last_ms, block_ms;

static int is_tuple_of_its_own(PyObject *type) {
    return PyType_IsSubtype((PyTypeObject *)type, &PyTuple_Type) &&
           ((PyTypeObject *)type)->tp_basicsize == PyTuple_Type.tp_basicsize;
}

/* bind_straight((Intake, FrameAssembler, Pictures, Vp8Pictures, EpochScale, Record, Cutter, Part, Block), FeedFault,
 * {value: Kind}, (MAX_RECORD_BYTES, MAX_FRAME_BYTES, JUMP_MS, PART_MS, CONTINUOUS_MS, PICTURE_LAST_MS), MAX_BLOCK_MS):
 * TypeError when they do not look as they did. */
PyObject *bind_straight(PyObject *self, PyObject *args) {
    PyObject *given, *fault, *named, **types;
    Py_ssize_t fresh[SLOTS];
    long long bounds[7];
    (void)self;
    if (!PyArg_ParseTuple(args, "O!OO!(LLLLLL)L", &PyTuple_Type, &given, &fault, &PyDict_Type, &named, &bounds[0], &bounds[1],
                          &bounds[2], &bounds[3], &bounds[4], &bounds[5], &bounds[6])) return NULL;
    int good = PyTuple_GET_SIZE(given) == CLASSES && PyExceptionClass_Check(fault);
    types = &PyTuple_GET_ITEM(given, 0);
    for (int i = 0; good && i < CLASSES; i++) good = PyType_Check(types[i]);
    if (!good || !is_tuple_of_its_own(types[RECORD]) || !is_tuple_of_its_own(types[BLOCK]) ||
        !PyType_IsSubtype((PyTypeObject *)types[VP8], (PyTypeObject *)types[PICTURES]))
        return PyErr_SetString(PyExc_TypeError, "Record and Block are named tuples, Vp8Pictures are Pictures"), NULL;
    for (int i = 0; i < SLOTS; i++)
        if ((fresh[i] = slot_offset(types[names[i].class], names[i].name)) < 0) return NULL;
    if (!arrived_name && !(arrived_name = PyUnicode_InternFromString("arrived"))) return NULL;
    if (!sound_name && !(sound_name = PyUnicode_InternFromString("sound"))) return NULL;
    if (!ended_name && !(ended_name = PyUnicode_InternFromString("picture_ended"))) return NULL;
    memcpy(offsets, fresh, sizeof offsets);
    for (int i = 0; i < CLASSES; i++) Py_XSETREF(classes[i], (PyTypeObject *)Py_NewRef(types[i]));
    Py_XSETREF(fault_type, Py_NewRef(fault));
    Py_XSETREF(kinds, Py_NewRef(named));
    record_bound = bounds[0], frame_bound = bounds[1], jump_ms = bounds[2];
    part_ms = bounds[3], continuous_ms = bounds[4], picture_last_ms = bounds[5], block_ms = bounds[6];
    Py_RETURN_NONE;
}

static uint64_t get64(const uint8_t *at) { return (uint64_t)get32(at) << 32 | get32(at + 4); }

/* What lies in a slot, borrowed; NULL without an exception when nothing does. */
static PyObject *in(PyObject *object, enum Slot slot) { return *(PyObject **)((char *)object + offsets[slot]); }

/* Takes over the reference. */
static void put(PyObject *object, enum Slot slot, PyObject *value) {
    PyObject **place = (PyObject **)((char *)object + offsets[slot]), *old = *place;
    *place = value;
    Py_XDECREF(old);
}

/* The integer in a slot; 0 when there is none below EXACT. */
static int number_in(PyObject *object, enum Slot slot, long long *value) {
    PyObject *found = in(object, slot);
    int over = 0;
    if (!found || !PyLong_CheckExact(found)) return 0;
    *value = PyLong_AsLongLongAndOverflow(found, &over);
    return !over && *value > -EXACT && *value < EXACT;
}

typedef struct {
    const uint8_t *bytes; /* the payload */
    long size, data_at;   /* of VP8's data; 0 where they are missing */
    long long rtp_time, kept_bytes, kept_packets, damaged;
    double at_ms;
    int marker, start;
    PyObject *assembler, *pictures; /* borrowed; `pictures` is NULL for sound */
} Plain;

/* As payload.vp8_data_offset. */
static long vp8_data(const uint8_t *p, long size) {
    long at = 1;
    if (p[0] & 0x80) {
        int flags = p[1];
        at = flags & 0x80 ? (p[2] & 0x80 ? 4 : 3) : 2;
        at += (flags & 0x40 ? 1 : 0) + (flags & 0x30 ? 1 : 0);
    }
    return at < size ? at : 0;
}

/* What the picture's packet does to the frame that is put together; 0 where Python must look. */
static int read_picture(Plain *p) {
    PyObject *pictures = p->pictures;
    if (p->size < 4 || !in(pictures, P_PIECES) || !PyList_CheckExact(in(pictures, P_PIECES)) || !in(pictures, P_SYNCED) ||
        !number_in(pictures, P_PACKETS, &p->kept_packets) || !number_in(pictures, P_BYTES, &p->kept_bytes) ||
        !number_in(pictures, P_DAMAGED, &p->damaged)) return 0;
    p->data_at = vp8_data(p->bytes, p->size);
    p->start = (p->bytes[0] & 0x1f) == 0x10;
    return (p->start ? 0 : p->kept_bytes) + p->size <= frame_bound;
}

/* 1 when the packet follows all others of its track, on its clock, while none waits. Changes nothing. */
static int follows(PyObject *intake, uint64_t number, uint64_t arrival, const uint8_t *b, long size, Plain *p) {
    long long highest, next, known, origin_utc_ms, origin_ms, rtp_origin, rate;
    PyObject *scale = in(intake, I_SCALE), *waiting, *pending = in(intake, I_PENDING);
    long payload_at = RTP_HEADER;
    p->assembler = in(intake, I_ASSEMBLER);
    if (size <= RTP_HEADER || !p->assembler || !Py_IS_TYPE(p->assembler, classes[ASSEMBLER]) || !scale ||
        !Py_IS_TYPE(scale, classes[SCALE]) || !pending || !PyList_CheckExact(pending) || number >= EXACT || arrival >= EXACT)
        return 0;
    waiting = in(p->assembler, A_WAITING), p->pictures = in(p->assembler, A_PICTURES);
    if (!waiting || !PyDict_CheckExact(waiting) || PyDict_GET_SIZE(waiting) || !p->pictures ||
        !number_in(intake, I_HIGHEST, &highest) || !number_in(intake, I_ORIGIN, &origin_utc_ms) ||
        !number_in(p->assembler, A_NEXT, &next) || !number_in(p->assembler, A_RTP_TIME, &known) ||
        !number_in(scale, S_ORIGIN, &origin_ms) || !number_in(scale, S_RTP_ORIGIN, &rtp_origin) ||
        !number_in(scale, S_RATE, &rate) || rate <= 0) return 0;
    if ((long long)number <= highest || get16(b + 2) != (unsigned)(next & 0xffff)) return 0;
    if (b[0] == 0x90) {
        if (size <= RTP_HEADER + 4) return 0;
        payload_at += 4 + (long)get16(b + RTP_HEADER + 2) * 4;
        if (size <= payload_at) return 0;
    } else if (b[0] != 0x80) return 0;
    p->rtp_time = known + (long long)(get32(b + 4) - (uint32_t)known + 0x80000000u) - 0x80000000LL;
    long long ticks = p->rtp_time - rtp_origin;
    if (ticks > EXACT / 1024 || ticks < -(EXACT / 1024)) return 0;
    p->at_ms = (double)arrival / 1000.0 - (double)origin_utc_ms;
    if (fabs((double)origin_ms + (double)(ticks * 1000) / (double)rate - p->at_ms) > (double)jump_ms) return 0;
    p->marker = b[1] > 127, p->bytes = b + payload_at, p->size = size - payload_at;
    if (p->pictures == Py_None) return p->pictures = NULL, 1;
    return Py_IS_TYPE(p->pictures, classes[VP8]) && read_picture(p);
}

/* 0 with an exception. */
static int call(PyObject *intake, PyObject *name, PyObject *const *rest, size_t count) {
    PyObject *stack[6] = {NULL, intake};
    memcpy(stack + 2, rest, count * sizeof *rest);
    PyObject *done = PyObject_VectorcallMethod(name, stack + 1, (count + 1) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_XDECREF(done);
    return done != NULL;
}

/* Puts the piece to its frame, as Vp8Pictures.take: 1, or 2 when the frame is whole, or 0 with an exception. */
static int add_piece(const Plain *p, PyObject *rtp_time) {
    PyObject *pictures = p->pictures, *packets, *bytes, *piece;
    long long kept_packets = p->start ? 0 : p->kept_packets, kept_bytes = p->start ? 0 : p->kept_bytes;
    if (!p->data_at || (!p->start && (in(pictures, P_SYNCED) != Py_True || !kept_packets))) return 1;
    packets = PyLong_FromLongLong(kept_packets + 1), bytes = PyLong_FromLongLong(kept_bytes + p->size - p->data_at);
    piece = PyBytes_FromStringAndSize((const char *)p->bytes + p->data_at, p->size - p->data_at);
    PyObject *fresh = p->start ? PyList_New(0) : NULL;
    PyObject *damaged = p->start && p->kept_packets ? PyLong_FromLongLong(p->damaged + 1) : Py_NewRef(in(pictures, P_DAMAGED));
    PyObject *pieces = p->start ? fresh : in(pictures, P_PIECES);
    if (!packets || !bytes || !piece || !damaged || !pieces || PyList_Append(pieces, piece)) {
        Py_XDECREF(packets), Py_XDECREF(bytes), Py_XDECREF(piece), Py_XDECREF(fresh), Py_XDECREF(damaged);
        return 0;
    }
    Py_DECREF(piece);
    put(pictures, P_PACKETS, packets);
    put(pictures, P_BYTES, bytes);
    put(pictures, P_DAMAGED, damaged);
    if (p->start) {
        put(pictures, P_PIECES, fresh);
        put(pictures, P_RTP_TIME, Py_NewRef(rtp_time));
        put(pictures, P_KEYFRAME, Py_NewRef(p->bytes[p->data_at] & 1 ? Py_False : Py_True));
        put(pictures, P_SYNCED, Py_NewRef(Py_True));
    }
    return 1 + p->marker;
}

/* A frame that only makes the open part longer. */
typedef struct {
    PyObject *cutter, *part, *blocks; /* borrowed */
    long long pts_ms, step_ms, packets;
} Place;

/* As EpochScale.pts_ms. */
static long long pts_of(PyObject *scale, long long rtp_time) {
    long long origin_ms, rtp_origin, rate;
    if (!number_in(scale, S_ORIGIN, &origin_ms) || !number_in(scale, S_RTP_ORIGIN, &rtp_origin) ||
        !number_in(scale, S_RATE, &rate) || rate <= 0 || llabs(rtp_time - rtp_origin) > EXACT / 1024) return -1;
    double exact = nearbyint((double)origin_ms + (double)((rtp_time - rtp_origin) * 1000) / (double)rate);
    return exact > 0 ? (long long)exact : 0;
}

/* Whether Cutter.add would put a frame of this time into the part that is open; 0 where Python must look. */
static int fits(PyObject *intake, long long rtp_time, Place *at) {
    PyObject *scale = in(intake, I_SCALE), *media = in(intake, I_MEDIA);
    long long start_ms, last_ms, before_ms;
    if (!media || media == Py_None || !(at->cutter = in(intake, I_CUTTER)) || !Py_IS_TYPE(at->cutter, classes[CUTTER])) return 0;
    at->part = in(at->cutter, C_PART);
    if (!at->part || !Py_IS_TYPE(at->part, classes[PART]) || !(at->blocks = in(at->part, T_BLOCKS)) ||
        !PyList_CheckExact(at->blocks) || !in(at->part, T_KEYFRAME) || !number_in(intake, I_LAST_PTS, &last_ms) ||
        !number_in(at->part, T_START, &start_ms) || !number_in(at->part, T_PACKETS, &at->packets) ||
        !number_in(at->cutter, C_STEP, &at->step_ms) || !number_in(at->cutter, C_LAST_PTS, &before_ms) ||
        (at->pts_ms = pts_of(scale, rtp_time)) < 0) return 0;
    if (at->pts_ms < last_ms) at->pts_ms = last_ms; /* a file's times never run backwards */
    if (at->pts_ms - start_ms >= part_ms) return 0;
    if (at->pts_ms > before_ms && at->pts_ms - before_ms < continuous_ms) at->step_ms = at->pts_ms - before_ms;
    return 1;
}

/* Puts a frame in its place, as Cutter.add: takes over `data`; 0 with an exception. */
static int add_frame(PyObject *intake, const Place *at, PyObject *data, int keyframe, long long packets, long long duration_ms,
                     PyObject *sequence, PyObject *rtp_time) {
    PyObject *pts = PyLong_FromLongLong(at->pts_ms), *step = PyLong_FromLongLong(at->step_ms);
    PyObject *count = PyLong_FromLongLong(at->packets + packets);
    long long lasts = duration_ms ? duration_ms : at->step_ms < picture_last_ms ? at->step_ms : picture_last_ms;
    PyObject *end = PyLong_FromLongLong(at->pts_ms + lasts), *block = classes[BLOCK]->tp_alloc(classes[BLOCK], 3);
    int good = pts && step && count && end && block;
    if (block) {
        PyTuple_SET_ITEM(block, 0, Py_XNewRef(pts));
        PyTuple_SET_ITEM(block, 1, Py_NewRef(keyframe ? Py_True : Py_False));
        PyTuple_SET_ITEM(block, 2, data);
    } else {
        Py_DECREF(data);
    }
    if (good && !PyList_Append(at->blocks, block)) {
        put(intake, I_AWAITING, Py_NewRef(Py_False));
        put(intake, I_LAST_PTS, Py_NewRef(pts));
        put(at->cutter, C_LAST_PTS, Py_NewRef(pts));
        put(at->cutter, C_STEP, Py_NewRef(step));
        if (keyframe) put(at->part, T_KEYFRAME, Py_NewRef(Py_True));
        put(at->part, T_PACKETS, Py_NewRef(count));
        put(at->part, T_LAST, Py_NewRef(sequence));
        put(at->part, T_LAST_RTP, Py_NewRef(rtp_time));
        put(at->part, T_END, Py_NewRef(end));
    } else {
        good = 0;
    }
    Py_XDECREF(pts), Py_XDECREF(step), Py_XDECREF(count), Py_XDECREF(end), Py_XDECREF(block);
    return good;
}

/* As payload.opus_duration_us, in milliseconds that are begun. */
static long long opus_ms(const uint8_t *p, long size) {
    static const int config_us[32] = {10000, 20000, 40000, 60000, 10000, 20000, 40000, 60000, 10000, 20000, 40000,
                                      60000, 10000, 20000, 10000, 20000, 2500,  5000,  10000, 20000, 2500,  5000,
                                      10000, 20000, 2500,  5000,  10000, 20000, 2500,  5000,  10000, 20000};
    int code = p[0] & 3;
    if (code == 3 && size < 2) return 0;
    long long us = (long long)config_us[p[0] >> 3] * (code == 0 ? 1 : code < 3 ? 2 : p[1] & 63);
    return (us + 999) / 1000;
}

static int sound(PyObject *intake, const Plain *p, PyObject *rtp_time, PyObject *sequence, PyObject *now_us) {
    Place at;
    PyObject *payload = PyBytes_FromStringAndSize((const char *)p->bytes, p->size);
    if (!payload) return 0;
    if (fits(intake, p->rtp_time, &at))
        return add_frame(intake, &at, payload, 1, 1, opus_ms(p->bytes, p->size), sequence, rtp_time);
    PyObject *given[] = {payload, rtp_time, sequence, now_us};
    int good = call(intake, sound_name, given, 4);
    Py_DECREF(payload);
    return good;
}

/* The pieces as one; a new reference. */
static PyObject *joined(PyObject *pieces, long long size) {
    if (PyList_GET_SIZE(pieces) == 1) return Py_NewRef(PyList_GET_ITEM(pieces, 0));
    PyObject *data = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    char *to = data ? PyBytes_AS_STRING(data) : NULL;
    for (Py_ssize_t i = 0; data && i < PyList_GET_SIZE(pieces); i++) {
        PyObject *piece = PyList_GET_ITEM(pieces, i);
        memcpy(to, PyBytes_AS_STRING(piece), (size_t)PyBytes_GET_SIZE(piece));
        to += PyBytes_GET_SIZE(piece);
    }
    return data;
}

/* Whether the pieces are what `_bytes` says. */
static int adds_up(PyObject *pieces, long long size) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pieces); i++) {
        if (!PyBytes_CheckExact(PyList_GET_ITEM(pieces, i))) return 0;
        size -= PyBytes_GET_SIZE(PyList_GET_ITEM(pieces, i));
    }
    return size == 0 && PyList_GET_SIZE(pieces);
}

/* The packet ended a picture: as Intake.picture_ended; 0 with an exception. */
static int picture(PyObject *intake, const Plain *p, PyObject *sequence, PyObject *now_us) {
    PyObject *pictures = p->pictures, *pieces = in(pictures, P_PIECES), *given[] = {sequence, now_us};
    long long rtp_time, packets, bytes;
    Place at;
    if (in(pictures, P_KEYFRAME) != Py_False || !number_in(pictures, P_RTP_TIME, &rtp_time) ||
        !number_in(pictures, P_PACKETS, &packets) || !number_in(pictures, P_BYTES, &bytes) || !adds_up(pieces, bytes) ||
        !fits(intake, rtp_time, &at)) return call(intake, ended_name, given, 2);
    PyObject *data = joined(pieces, bytes), *empty = data ? PyList_New(0) : NULL, *zero = empty ? PyLong_FromLong(0) : NULL;
    PyObject *began = Py_NewRef(in(pictures, P_RTP_TIME));
    if (!zero) return Py_XDECREF(data), Py_XDECREF(empty), Py_DECREF(began), 0;
    put(pictures, P_PIECES, empty);
    put(pictures, P_PACKETS, Py_NewRef(zero));
    put(pictures, P_BYTES, zero);
    int good = add_frame(intake, &at, data, 0, packets, 0, sequence, began);
    Py_DECREF(began);
    return good;
}

/* Takes a packet that follows; 0 with an exception. */
static int follow(PyObject *intake, uint64_t number, uint64_t arrival, const Plain *p, PyObject *now_us) {
    PyObject *sequence = Py_NewRef(in(p->assembler, A_NEXT)), *entry = NULL, *next = NULL;
    PyObject *feed_number = PyLong_FromUnsignedLongLong(number), *rtp_time = PyLong_FromLongLong(p->rtp_time);
    PyObject *utc_ms = PyLong_FromUnsignedLongLong(arrival / 1000), *at_ms = PyFloat_FromDouble(p->at_ms);
    int good = 0;
    next = PyLong_FromLongLong(PyLong_AsLongLong(sequence) + 1);
    if (feed_number && rtp_time && utc_ms && at_ms && next) entry = PyTuple_Pack(2, feed_number, sequence);
    if (entry && !PyList_Append(in(intake, I_PENDING), entry)) {
        put(intake, I_HIGHEST, Py_NewRef(feed_number));
        put(intake, I_UTC, Py_NewRef(utc_ms));
        put(intake, I_AT, Py_NewRef(at_ms));
        put(intake, I_HEARD, Py_NewRef(now_us));
        put(p->assembler, A_NEXT, Py_NewRef(next));
        put(p->assembler, A_RTP_TIME, Py_NewRef(rtp_time));
        put(p->assembler, A_LAST_RTP, Py_NewRef(rtp_time));
        if (p->pictures) {
            int added = add_piece(p, rtp_time);
            good = added && (added == 1 || picture(intake, p, sequence, now_us));
        } else {
            good = sound(intake, p, rtp_time, sequence, now_us);
        }
    }
    Py_DECREF(sequence);
    Py_XDECREF(entry), Py_XDECREF(next), Py_XDECREF(feed_number), Py_XDECREF(rtp_time), Py_XDECREF(utc_ms), Py_XDECREF(at_ms);
    return good;
}

/* Intake.arrived(number, packet, arrival, now); 0 with an exception. */
static int arrived(PyObject *intake, uint64_t number, uint64_t arrival, const uint8_t *b, long size, PyObject *now_us) {
    PyObject *given[] = {PyLong_FromUnsignedLongLong(number), PyBytes_FromStringAndSize((const char *)b, size),
                         PyLong_FromUnsignedLongLong(arrival), now_us};
    int good = given[0] && given[1] && given[2] && call(intake, arrived_name, given, 4);
    Py_XDECREF(given[0]), Py_XDECREF(given[1]), Py_XDECREF(given[2]);
    return good;
}

/* rest(Record, now_us); 0 with an exception. */
static int other(const uint8_t *b, long end, uint32_t track, uint64_t number, PyObject *now_us, PyObject *rest) {
    PyObject *value = PyLong_FromLong(b[4]), *kind = value ? PyDict_GetItemWithError(kinds, value) : NULL;
    Py_XDECREF(value);
    if (!kind) {
        if (!PyErr_Occurred()) PyErr_SetString(fault_type, "a feed record has an unknown kind");
        return 0;
    }
    PyObject *record = classes[RECORD]->tp_alloc(classes[RECORD], 4), *done;
    if (!record) return 0;
    PyObject *fields[] = {Py_NewRef(kind), PyLong_FromUnsignedLong(track), PyLong_FromUnsignedLongLong(number),
                          PyBytes_FromStringAndSize((const char *)b + HEAD, end - HEAD)};
    int good = 1;
    for (int i = 0; i < 4; i++) {
        PyTuple_SET_ITEM(record, i, fields[i]);
        good = good && fields[i];
    }
    PyObject *given[] = {NULL, record, now_us};
    done = good ? PyObject_Vectorcall(rest, given + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL) : NULL;
    Py_DECREF(record);
    Py_XDECREF(done);
    return done != NULL;
}

/* One whole record; 0 with an exception. */
static int one(const uint8_t *b, long end, PyObject *known, PyObject *now_us, PyObject *rest) {
    uint32_t track = get32(b + 5);
    uint64_t number = get64(b + 9);
    PyObject *intake = NULL;
    if (b[4] == PACKET && end >= HEAD + ARRIVAL) {
        PyObject *key = PyLong_FromUnsignedLong(track);
        if (!key) return 0;
        intake = PyDict_GetItemWithError(known, key);
        Py_DECREF(key);
        if (!intake && PyErr_Occurred()) return 0;
    }
    if (!intake) return other(b, end, track, number, now_us, rest);
    Plain p;
    uint64_t arrival = get64(b + HEAD);
    const uint8_t *packet = b + HEAD + ARRIVAL;
    long size = end - HEAD - ARRIVAL;
    Py_INCREF(intake);
    int good = Py_IS_TYPE(intake, classes[INTAKE]) && follows(intake, number, arrival, packet, size, &p)
                   ? follow(intake, number, arrival, &p, now_us)
                   : arrived(intake, number, arrival, packet, size, now_us);
    Py_DECREF(intake);
    return good;
}

/* take_straight(data, known, now_us, rest): see recording/straight.py. */
PyObject *take_straight(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    (void)self;
    if (count != 4 || !fault_type || !PyBytes_Check(args[0]) || !PyDict_Check(args[1]) || !PyLong_Check(args[2]))
        return PyErr_SetString(PyExc_TypeError, "take_straight(bytes, dict, int, callable), after bind_straight()"), NULL;
    const uint8_t *bytes = (const uint8_t *)PyBytes_AS_STRING(args[0]);
    Py_ssize_t size = PyBytes_GET_SIZE(args[0]), at = 0;
    while (size - at >= HEAD) {
        long long length = get32(bytes + at);
        if (length < OVERHEAD || length > record_bound)
            return PyErr_SetString(fault_type, "a feed record has an impossible length"), NULL;
        if (length + 4 > size - at) break;
        if (!one(bytes + at, (long)(length + 4), args[1], args[2], args[3])) return NULL;
        at += length + 4;
    }
    return PyLong_FromSsize_t(at);
}

/* ---- clusters ---- */

enum { SIZE_BYTES = 8, BLOCK_HEAD = 1 + SIZE_BYTES + 4, CLUSTER_HEAD = 4 + SIZE_BYTES + 2 + SIZE_BYTES };

/* As webm._size: how many bytes it took. */
static int put_size(uint8_t *at, uint64_t value) {
    int width = 1;
    while (value >= (1ULL << 7 * width) - 1) width++;
    value |= 1ULL << 7 * width;
    for (int i = 0; i < width; i++) at[i] = (uint8_t)(value >> 8 * (width - 1 - i));
    return width;
}

/* A block of a sequence: 0 with an exception. */
static int read_block(PyObject *block, long long start_ms, long long *offset_ms, PyObject **data) {
    if (!PyTuple_Check(block) || PyTuple_GET_SIZE(block) != 3 || !PyBytes_Check(PyTuple_GET_ITEM(block, 2)))
        return PyErr_SetString(PyExc_TypeError, "blocks are (ms, key, bytes)"), 0;
    *offset_ms = PyLong_AsLongLong(PyTuple_GET_ITEM(block, 0)) - start_ms;
    *data = PyTuple_GET_ITEM(block, 2);
    if (PyErr_Occurred()) return 0;
    if (*offset_ms < 0 || *offset_ms > block_ms)
        return PyErr_Format(PyExc_ValueError, "a block %lld ms from its cluster's start cannot be written", *offset_ms), 0;
    return 1;
}

/* pack_cluster(start_ms, blocks): as webm.cluster. */
PyObject *pack_cluster(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    (void)self;
    long long start_ms = count == 2 && fault_type ? PyLong_AsLongLong(args[0]) : -1, offset_ms;
    if (start_ms < 0 || !PyList_Check(args[1]))
        return PyErr_Occurred() ? NULL : (PyErr_SetString(PyExc_TypeError, "pack_cluster(int, list), after bind_straight()"), NULL);
    PyObject *blocks = args[1], *data, *made;
    Py_ssize_t most = CLUSTER_HEAD;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(blocks); i++) {
        if (!read_block(PyList_GET_ITEM(blocks, i), start_ms, &offset_ms, &data)) return NULL;
        most += BLOCK_HEAD + PyBytes_GET_SIZE(data);
    }
    uint8_t *whole = PyMem_Malloc((size_t)most), *at = whole + 4 + SIZE_BYTES, *body = at, time_bytes = 1;
    if (!whole) return PyErr_NoMemory();
    while (time_bytes < 8 && (uint64_t)start_ms >> 8 * time_bytes) time_bytes++;
    *at++ = 0xe7, *at++ = (uint8_t)(0x80 | time_bytes);
    for (int i = time_bytes - 1; i >= 0; i--) *at++ = (uint8_t)((uint64_t)start_ms >> 8 * i);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(blocks); i++) {
        PyObject *block = PyList_GET_ITEM(blocks, i);
        int good = read_block(block, start_ms, &offset_ms, &data), key = good ? PyObject_IsTrue(PyTuple_GET_ITEM(block, 1)) : -1;
        if (key < 0) return PyMem_Free(whole), NULL;
        *at++ = 0xa3;
        at += put_size(at, 4 + (uint64_t)PyBytes_GET_SIZE(data));
        *at++ = 0x81, *at++ = (uint8_t)(offset_ms >> 8), *at++ = (uint8_t)offset_ms, *at++ = key ? 0x80 : 0;
        memcpy(at, PyBytes_AS_STRING(data), (size_t)PyBytes_GET_SIZE(data));
        at += PyBytes_GET_SIZE(data);
    }
    uint8_t size[SIZE_BYTES];
    int width = put_size(size, (uint64_t)(at - body));
    uint8_t *begin = body - width - 4;
    memcpy(begin, "\x1f\x43\xb6\x75", 4), memcpy(begin + 4, size, (size_t)width);
    made = PyBytes_FromStringAndSize((const char *)begin, at - begin);
    PyMem_Free(whole);
    return made;
}
