/* SPDX-License-Identifier: Apache-2.0
 *
 * `mediaserver/sfu/fanout.py`'s loop over receivers in C: the same objects, read and written through their slots. Python
 * stays the owner of every decision: a packet above a receiver's limits and one that came late go to the methods that
 * decide about them (`admit`, `late`).
 */
#define PY_SSIZE_T_CLEAN
#include "fanout.h"
#include "slots.h"
#include "wire.h"
#include <stdint.h>
#include <string.h>
#include <structmember.h>

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

/* ---- what all receivers of one packet share ---- */

static int within(const Shared *s, long long at, int size) { return at >= 0 && at + size <= s->size; }

/* ---- asked for ahead: a wake-up finds all of it cold, and each step is needed to know the next one ---- */

void fanout_ahead(PyObject *downlink) { ahead(downlink, classes[0]->tp_basicsize); }

void fanout_ahead_parts(PyObject *downlink) {
    static const enum Slot numbers[] = {D_HIGHEST, D_SSRC, D_PACKETS, D_BYTES, D_TRANSPORT_ID};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) ahead(*place(downlink, numbers[i]), 1);
    ahead(*place(downlink, D_SPAN), classes[1]->tp_basicsize);
    if (*place(downlink, D_PORT)) ahead(place(*place(downlink, D_PORT), P_NEXT_TWCC), 1);
}

void fanout_ahead_numbers(PyObject *downlink) {
    PyObject *span = *place(downlink, D_SPAN), *port = *place(downlink, D_PORT);
    if (span && Py_IS_TYPE(span, classes[1])) ahead(*place(span, N_OFFSET), 1), ahead(*place(span, N_TIMESTAMP), 1);
    if (port && Py_IS_TYPE(port, classes[3])) ahead(*place(port, P_NEXT_TWCC), 1);
}

/* Reads what a Stored says; 0 with an exception. */
int fanout_read(PyObject *stored, Shared *s) {
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

/* ---- the numbers of one receiver ---- */

/* What a receiver's copies are made by. 0 with an exception. */
int fanout_numbers(PyObject *downlink, Numbers *n) {
    int good = 1;
    PyObject *span = object_in(downlink, D_SPAN), *port = object_in(downlink, D_PORT);
    if (!span || !port) return 0;
    if (!Py_IS_TYPE(span, classes[1]) || !Py_IS_TYPE(port, classes[3]))
        return PyErr_SetString(PyExc_TypeError, "span or port is of another class"), 0;
    n->highest = number_in(downlink, D_HIGHEST, &good);
    n->temporal = number_in(downlink, D_TEMPORAL, &good);
    n->spatial = number_in(downlink, D_SPATIAL, &good);
    n->ssrc = number_in(downlink, D_SSRC, &good);
    n->offset = number_in(span, N_OFFSET, &good);
    n->timestamp = number_in(span, N_TIMESTAMP, &good);
    n->shifted = is_true(span, N_SHIFTED, &good);
    if (good && n->shifted) {
        n->picture = number_in(span, N_PICTURE, &good);
        n->tl0 = number_in(span, N_TL0, &good);
        n->key_index = number_in(span, N_KEY_INDEX, &good);
        n->frame = number_in(span, N_FRAME, &good);
    }
    return good;
}

/* Whether the packet is next for the receiver, and none of the layers that it does not get. */
int fanout_in_order(const Numbers *n, const Shared *s) {
    return s->extended > n->highest && s->temporal <= n->temporal && s->spatial <= n->spatial;
}

/* As span.shift: picture id, TL0PICIDX, KEYIDX and the descriptor's frame number. Their widths never change. */
static void shift(uint8_t *copy, const Shared *s, const Numbers *n) {
    if (s->picture_at) {
        long long moved = s->picture + n->picture;
        if (s->picture_bits == 15) put16(copy + s->picture_at, (moved & 0x7fff) | 0x8000);
        else copy[s->picture_at] = moved & 0x7f;
    }
    if (s->tl0_at) copy[s->tl0_at] = (uint8_t)(s->tl0 + n->tl0);
    if (s->key_index_at) {
        long long moved = s->key_index + n->key_index;
        copy[s->key_index_at] = (copy[s->key_index_at] & 0xe0) | (moved & 0x1f);
    }
    if (s->frame_at) put16(copy + s->frame_at, s->frame_number + n->frame);
}

/* A copy with a receiver's numbers, `wide` among them where there is a place for it. */
void fanout_write(uint8_t *copy, const Shared *s, const Numbers *n, long long wide) {
    memcpy(copy, s->bytes, (size_t)s->size);
    put16(copy + 2, s->extended + n->offset);
    put32(copy + 4, s->timestamp + n->timestamp);
    put32(copy + 8, n->ssrc);
    if (s->bytes[NUMBERED_AT]) put16(copy + TWCC_AT, wide);
    if (n->shifted) shift(copy, s, n);
    if (s->ends_layer && s->spatial == n->spatial) copy[1] |= 0x80; /* the layers above were left out: the picture ends here */
}

/* Notes that a receiver gets `packets` packets in order, `bytes` long together, the newest of which is `last`; as many
 * transport-wide numbers are used up as are `numbered`. The next one before that in *wide; 0 with an exception. */
int fanout_note(PyObject *downlink, const Shared *last, long packets, long long bytes, long numbered, long long *wide) {
    int good = 1;
    PyObject *port = object_in(downlink, D_PORT);
    if (!port) return 0;
    long long packets_before = number_in(downlink, D_PACKETS, &good), bytes_before = number_in(downlink, D_BYTES, &good);
    if (numbered) *wide = number_in(port, P_NEXT_TWCC, &good);
    if (!good || (numbered && !put_number(port, P_NEXT_TWCC, *wide + numbered))) return 0;
    put(downlink, D_HIGHEST, last->extended_object);
    put(downlink, D_LAST, last->stored);
    return put_number(downlink, D_PACKETS, packets_before + packets) && put_number(downlink, D_BYTES, bytes_before + bytes);
}

/* The transport's id, borrowed; NULL with an exception. */
PyObject *fanout_transport(PyObject *downlink) { return object_in(downlink, D_TRANSPORT_ID); }

int fanout_is_downlink(PyObject *object) { return classes[0] && Py_IS_TYPE(object, classes[0]); }

static int append(PyObject *out, PyObject *downlink, PyObject *copy) {
    PyObject *transport_id = object_in(downlink, D_TRANSPORT_ID);
    PyObject *item = transport_id ? PyTuple_Pack(3, transport_id, copy, Py_False) : NULL;
    int done = item && PyList_Append(out, item) == 0;
    Py_XDECREF(item);
    return done;
}

/* The copy for one receiver that takes the packet in order. */
static int in_order(PyObject *out, PyObject *downlink, const Shared *s) {
    Numbers numbers;
    long long wide = 0;
    if (!fanout_numbers(downlink, &numbers) || !fanout_note(downlink, s, 1, s->size, s->bytes[NUMBERED_AT] != 0, &wide)) return 0;
    PyObject *made = PyByteArray_FromStringAndSize(NULL, s->size);
    if (!made) return 0;
    fanout_write((uint8_t *)PyByteArray_AS_STRING(made), s, &numbers, wide);
    int done = append(out, downlink, made);
    Py_DECREF(made);
    return done;
}

/* A packet that came late, or that was left out before: what Python makes of it. */
static int late(PyObject *out, PyObject *downlink, const Shared *s) {
    int good = 1;
    PyObject *copy = PyObject_CallMethodOneArg(downlink, late_name, s->stored);
    if (copy && copy != Py_None) {
        long long packets = number_in(downlink, D_PACKETS, &good), bytes = number_in(downlink, D_BYTES, &good);
        good = good && put_number(downlink, D_PACKETS, packets + 1) && put_number(downlink, D_BYTES, bytes + s->size) &&
               append(out, downlink, copy);
    }
    Py_XDECREF(copy);
    return copy && good;
}

/* Appends to `out` what one receiver gets of a packet, if anything; 0 with an exception. */
int fanout_one(PyObject *out, PyObject *downlink, const Shared *s) {
    int good = 1;
    if (!fanout_is_downlink(downlink)) return PyErr_SetString(PyExc_TypeError, "not a Downlink"), 0;
    if (s->extended <= number_in(downlink, D_HIGHEST, &good)) return good && late(out, downlink, s);
    int above = s->temporal > number_in(downlink, D_TEMPORAL, &good) || s->spatial > number_in(downlink, D_SPATIAL, &good);
    if (!good) return 0;
    if (above) {
        PyObject *admitted = PyObject_CallMethodOneArg(downlink, admit_name, s->stored);
        int yes = admitted ? PyObject_IsTrue(admitted) : -1;
        Py_XDECREF(admitted);
        if (yes <= 0) return yes == 0;
    }
    return in_order(out, downlink, s);
}

/* fan_out(out, downlinks, stored): append to `out` what each receiver gets of a packet. */
PyObject *fan_out(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    Shared shared;
    (void)self;
    if (count != 3 || !classes[0] || !PyList_Check(args[0]) || !PyTuple_Check(args[1]) || !Py_IS_TYPE(args[2], classes[2])) {
        PyErr_SetString(PyExc_TypeError, "fan_out(list, (Downlink, ...), Stored), after bind_fanout()");
        return NULL;
    }
    if (!fanout_read(args[2], &shared)) return NULL;
    /* Held: a decision in Python may replace the tuple that its owner holds. */
    PyObject *downlinks = Py_NewRef(args[1]);
    int good = 1;
    for (Py_ssize_t i = 0; good && i < PyTuple_GET_SIZE(downlinks); i++)
        good = fanout_one(args[0], PyTuple_GET_ITEM(downlinks, i), &shared);
    Py_DECREF(downlinks);
    if (!good) return NULL;
    Py_RETURN_NONE;
}
