/* SPDX-License-Identifier: Apache-2.0
 *
 * `mediaserver/sfu/fanout.py`'s loop over receivers in C: the same objects, read and written through their slots. Python
 * stays the owner of every decision: a packet above a receiver's limits and one that came late go to the methods that
 * decide about them (`admit`, `late`).
 */
#define PY_SSIZE_T_CLEAN
#include "fanout.h"
#include "slots.h"
#include <stdint.h>
#include <string.h>
#include <structmember.h>

enum { NUMBERED_AT = 17, TWCC_AT = 18 };

/* Slots of the four classes, in the order of `names`. */
enum Slot {
    D_HIGHEST, D_LAST, D_SPATIAL, D_TEMPORAL, D_SPAN, D_PORT, D_SSRC, D_TRANSPORT_ID, D_PACKETS, D_BYTES,
    N_OFFSET, N_TIMESTAMP, N_SHIFTED, N_PICTURE, N_TL0, N_KEY_INDEX, N_FRAME,
    S_EXTENDED, S_PACKET, S_TIMESTAMP, S_TEMPORAL, S_SPATIAL, S_FRAME_END, S_MARKER, S_PICTURE, S_PICTURE_BITS,
    S_PICTURE_AT, S_TL0, S_TL0_AT, S_KEY_INDEX, S_KEY_INDEX_AT, S_FRAME_NUMBER, S_FRAME_AT,
    P_NEXT_TWCC,
    SLOTS,
};

static const struct {
    int class; /* of bind()'s arguments */
    const char *name;
} names[SLOTS] = {
    {0, "highest"}, {0, "last"}, {0, "spatial"}, {0, "temporal"}, {0, "span"}, {0, "port"}, {0, "ssrc"},
    {0, "transport_id"}, {0, "packets"}, {0, "bytes"},
    {1, "offset"}, {1, "timestamp"}, {1, "shifted"}, {1, "picture"}, {1, "tl0"}, {1, "key_index"}, {1, "frame"},
    {2, "extended"}, {2, "packet"}, {2, "timestamp"}, {2, "temporal"}, {2, "spatial"}, {2, "frame_end"}, {2, "marker"},
    {2, "picture"}, {2, "picture_bits"}, {2, "picture_at"}, {2, "tl0"}, {2, "tl0_at"}, {2, "key_index"},
    {2, "key_index_at"}, {2, "frame_number"}, {2, "frame_at"},
    {3, "next_twcc"},
};

static Py_ssize_t offsets[SLOTS];
static PyTypeObject *classes[4];
static PyObject *admit_name, *late_name;

/* Where a slot of a class lies; -1 with TypeError or AttributeError when it is none. */
Py_ssize_t slot_offset(PyObject *type, const char *name) {
    PyObject *found = PyObject_GetAttrString(type, name);
    Py_ssize_t offset = -1;
    if (!found) return -1;
    if (Py_IS_TYPE(found, &PyMemberDescr_Type) && ((PyMemberDescrObject *)found)->d_member->type == T_OBJECT_EX)
        offset = ((PyMemberDescrObject *)found)->d_member->offset;
    Py_DECREF(found);
    if (offset < 0) PyErr_Format(PyExc_TypeError, "%s is not a slot", name);
    return offset;
}

/* bind_fanout(Downlink, Span, Stored, Port): remember where their slots lie. TypeError when one is not a slot. */
PyObject *bind_fanout(PyObject *self, PyObject *args) {
    PyObject *types[4];
    Py_ssize_t fresh[SLOTS];
    (void)self;
    if (!PyArg_ParseTuple(args, "O!O!O!O!", &PyType_Type, &types[0], &PyType_Type, &types[1], &PyType_Type, &types[2],
                          &PyType_Type, &types[3])) return NULL;
    for (int i = 0; i < SLOTS; i++)
        if ((fresh[i] = slot_offset(types[names[i].class], names[i].name)) < 0) return NULL;
    memcpy(offsets, fresh, sizeof offsets);
    for (int i = 0; i < 4; i++) Py_XSETREF(classes[i], (PyTypeObject *)Py_NewRef(types[i]));
    if (!admit_name && !(admit_name = PyUnicode_InternFromString("admit"))) return NULL;
    if (!late_name && !(late_name = PyUnicode_InternFromString("late"))) return NULL;
    Py_RETURN_NONE;
}

static PyObject **place(PyObject *object, enum Slot slot) { return (PyObject **)((char *)object + offsets[slot]); }

/* The object in a slot, borrowed; NULL with an exception when it was deleted. */
static PyObject *object_in(PyObject *object, enum Slot slot) {
    PyObject *found = *place(object, slot);
    if (!found) PyErr_SetString(PyExc_AttributeError, names[slot].name);
    return found;
}

/* The integer in a slot; *good is cleared with an exception set when it is none. */
static long long number_in(PyObject *object, enum Slot slot, int *good) {
    PyObject *found = object_in(object, slot);
    long long value = found ? PyLong_AsLongLong(found) : -1;
    if (value == -1 && PyErr_Occurred()) *good = 0;
    return value;
}

static int is_true(PyObject *object, enum Slot slot, int *good) {
    PyObject *found = object_in(object, slot);
    int value = found ? PyObject_IsTrue(found) : -1;
    if (value < 0) *good = 0;
    return value == 1;
}

static void put(PyObject *object, enum Slot slot, PyObject *value) {
    PyObject **at = place(object, slot), *old = *at;
    *at = Py_NewRef(value);
    Py_XDECREF(old);
}

static int put_number(PyObject *object, enum Slot slot, long long value) {
    PyObject *made = PyLong_FromLongLong(value);
    if (!made) return 0;
    put(object, slot, made);
    Py_DECREF(made);
    return 1;
}

/* What all receivers of one packet share. */
typedef struct {
    PyObject *stored, *extended_object;
    const uint8_t *bytes;
    Py_ssize_t size;
    long long extended, timestamp, temporal, spatial;
    long long picture, picture_bits, picture_at, tl0, tl0_at, key_index, key_index_at, frame_number, frame_at;
    int ends_layer;
} Shared;

static int within(const Shared *s, long long at, int size) { return at >= 0 && at + size <= s->size; }

static int read_stored(PyObject *stored, Shared *s) {
    int good = 1;
    PyObject *packet = object_in(stored, S_PACKET);
    if (!packet || !PyByteArray_Check(packet)) return PyErr_SetString(PyExc_TypeError, "packet is no bytearray"), 0;
    s->stored = stored;
    s->extended_object = object_in(stored, S_EXTENDED);
    s->bytes = (const uint8_t *)PyByteArray_AS_STRING(packet);
    s->size = PyByteArray_GET_SIZE(packet);
    s->extended = number_in(stored, S_EXTENDED, &good);
    s->timestamp = number_in(stored, S_TIMESTAMP, &good);
    s->temporal = number_in(stored, S_TEMPORAL, &good);
    s->spatial = number_in(stored, S_SPATIAL, &good);
    s->picture = number_in(stored, S_PICTURE, &good);
    s->picture_bits = number_in(stored, S_PICTURE_BITS, &good);
    s->picture_at = number_in(stored, S_PICTURE_AT, &good);
    s->tl0 = number_in(stored, S_TL0, &good);
    s->tl0_at = number_in(stored, S_TL0_AT, &good);
    s->key_index = number_in(stored, S_KEY_INDEX, &good);
    s->key_index_at = number_in(stored, S_KEY_INDEX_AT, &good);
    s->frame_number = number_in(stored, S_FRAME_NUMBER, &good);
    s->frame_at = number_in(stored, S_FRAME_AT, &good);
    s->ends_layer = is_true(stored, S_FRAME_END, &good) && !is_true(stored, S_MARKER, &good);
    if (!good) return 0;
    if (s->size < TWCC_AT + 2 || !within(s, s->picture_at, s->picture_bits == 15 ? 2 : 1) || !within(s, s->tl0_at, 1) ||
        !within(s, s->key_index_at, 1) || !within(s, s->frame_at, 2))
        return PyErr_SetString(PyExc_ValueError, "the packet ends before its numbers"), 0;
    return 1;
}

static void put16(uint8_t *at, long long value) { at[0] = (uint8_t)(value >> 8), at[1] = (uint8_t)value; }
static void put32(uint8_t *at, long long value) { put16(at, value >> 16), put16(at + 2, value); }

/* As span.shift: picture id, TL0PICIDX, KEYIDX and the descriptor's frame number. Their widths never change. */
static int shift(uint8_t *copy, const Shared *s, PyObject *span) {
    int good = 1;
    if (s->picture_at) {
        long long moved = s->picture + number_in(span, N_PICTURE, &good);
        if (s->picture_bits == 15) put16(copy + s->picture_at, (moved & 0x7fff) | 0x8000);
        else copy[s->picture_at] = moved & 0x7f;
    }
    if (s->tl0_at) copy[s->tl0_at] = (uint8_t)(s->tl0 + number_in(span, N_TL0, &good));
    if (s->key_index_at) {
        long long moved = s->key_index + number_in(span, N_KEY_INDEX, &good);
        copy[s->key_index_at] = (copy[s->key_index_at] & 0xe0) | (moved & 0x1f);
    }
    if (s->frame_at) put16(copy + s->frame_at, s->frame_number + number_in(span, N_FRAME, &good));
    return good;
}

/* The copy for one receiver that takes the packet in order; NULL with an exception. */
static PyObject *in_order(PyObject *downlink, const Shared *s) {
    int good = 1;
    put(downlink, D_HIGHEST, s->extended_object);
    put(downlink, D_LAST, s->stored);
    PyObject *span = object_in(downlink, D_SPAN), *port = object_in(downlink, D_PORT);
    if (!span || !port) return NULL;
    if (!Py_IS_TYPE(span, classes[1]) || !Py_IS_TYPE(port, classes[3])) {
        PyErr_SetString(PyExc_TypeError, "span or port is of another class");
        return NULL;
    }
    long long number = s->extended + number_in(span, N_OFFSET, &good);
    long long timestamp = s->timestamp + number_in(span, N_TIMESTAMP, &good);
    long long ssrc = number_in(downlink, D_SSRC, &good);
    long long wide = number_in(port, P_NEXT_TWCC, &good);
    int shifted = is_true(span, N_SHIFTED, &good);
    int cut = s->ends_layer && s->spatial == number_in(downlink, D_SPATIAL, &good);
    int numbered = s->bytes[NUMBERED_AT] != 0;
    if (!good || (numbered && !put_number(port, P_NEXT_TWCC, wide + 1))) return NULL;
    PyObject *made = PyByteArray_FromStringAndSize((const char *)s->bytes, s->size);
    if (!made) return NULL;
    uint8_t *copy = (uint8_t *)PyByteArray_AS_STRING(made);
    put16(copy + 2, number);
    put32(copy + 4, timestamp);
    put32(copy + 8, ssrc);
    if (numbered) put16(copy + TWCC_AT, wide);
    if (shifted && !shift(copy, s, span)) return Py_DECREF(made), NULL;
    if (cut) copy[1] |= 0x80; /* the layers above were left out: the picture ends here */
    return made;
}

/* What one receiver gets: a new reference, None for nothing, NULL with an exception. */
static PyObject *for_one(PyObject *downlink, const Shared *s) {
    int good = 1;
    if (s->extended <= number_in(downlink, D_HIGHEST, &good))
        return good ? PyObject_CallMethodOneArg(downlink, late_name, s->stored) : NULL;
    int above = s->temporal > number_in(downlink, D_TEMPORAL, &good) || s->spatial > number_in(downlink, D_SPATIAL, &good);
    if (!good) return NULL;
    if (above) {
        PyObject *admitted = PyObject_CallMethodOneArg(downlink, admit_name, s->stored);
        int yes = admitted ? PyObject_IsTrue(admitted) : -1;
        Py_XDECREF(admitted);
        if (yes < 0) return NULL;
        if (!yes) return Py_NewRef(Py_None);
    }
    return in_order(downlink, s);
}

static int append(PyObject *out, PyObject *downlink, PyObject *copy, Py_ssize_t size) {
    int good = 1;
    PyObject *transport_id = object_in(downlink, D_TRANSPORT_ID);
    long long packets = number_in(downlink, D_PACKETS, &good), bytes = number_in(downlink, D_BYTES, &good);
    if (!transport_id || !good) return 0;
    if (!put_number(downlink, D_PACKETS, packets + 1) || !put_number(downlink, D_BYTES, bytes + size)) return 0;
    PyObject *item = PyTuple_Pack(3, transport_id, copy, Py_False);
    int done = item && PyList_Append(out, item) == 0;
    Py_XDECREF(item);
    return done;
}

/* fan_out(out, downlinks, stored): append to `out` what each receiver gets of a packet. */
PyObject *fan_out(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    Shared shared;
    (void)self;
    if (count != 3 || !classes[0] || !PyList_Check(args[0]) || !PyTuple_Check(args[1]) || !Py_IS_TYPE(args[2], classes[2])) {
        PyErr_SetString(PyExc_TypeError, "fan_out(list, (Downlink, ...), Stored), after bind_fanout()");
        return NULL;
    }
    if (!read_stored(args[2], &shared)) return NULL;
    /* Held: a decision in Python may replace the tuple that its owner holds. */
    PyObject *downlinks = Py_NewRef(args[1]);
    int good = 1;
    for (Py_ssize_t i = 0; good && i < PyTuple_GET_SIZE(downlinks); i++) {
        PyObject *downlink = PyTuple_GET_ITEM(downlinks, i);
        if (!Py_IS_TYPE(downlink, classes[0])) {
            PyErr_SetString(PyExc_TypeError, "not a Downlink");
            good = 0;
            break;
        }
        PyObject *copy = for_one(downlink, &shared);
        good = copy && (copy == Py_None || append(args[0], downlink, copy, shared.size));
        Py_XDECREF(copy);
    }
    Py_DECREF(downlinks);
    if (!good) return NULL;
    Py_RETURN_NONE;
}
