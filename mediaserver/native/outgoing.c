/* SPDX-License-Identifier: Apache-2.0
 *
 * `mediaserver/sfu/bandwidth/outgoing.py`'s loop in C: what finds its receiver's bucket nearly empty leaves at once, with
 * its transport-wide number. All else (a burst that waits, a link that is full, a probe) is decided in Python.
 */
#define PY_SSIZE_T_CLEAN
#include "outgoing.h"
#include "fanout.h"
#include "meter.h"
#include "slots.h"
#include <stdint.h>

enum Slot { R_LIMITED, R_PACER, R_METER, P_FULL_UNTIL, P_BYTE_S, P_COUNT, PLACES };

static const struct {
    int class; /* of bind_outgoing()'s arguments */
    const char *name;
} names[PLACES] = {{0, "limited"}, {0, "pacer"}, {0, "meter"}, {1, "_full_until"}, {1, "_byte_s"}, {1, "_count"}};

static Py_ssize_t offsets[PLACES];
static PyTypeObject *classes[2];
static PyObject *decide_name;
unsigned long outgoing_decisions;
static double burst_s;

/* bind_outgoing(Receiver, Pacer, BURST_S): remember where their slots lie. TypeError when one is not a slot. */
PyObject *bind_outgoing(PyObject *self, PyObject *args) {
    PyObject *types[2];
    Py_ssize_t fresh[PLACES];
    double burst;
    (void)self;
    if (!PyArg_ParseTuple(args, "O!O!d", &PyType_Type, &types[0], &PyType_Type, &types[1], &burst)) return NULL;
    for (int i = 0; i < PLACES; i++)
        if ((fresh[i] = slot_offset(types[names[i].class], names[i].name)) < 0) return NULL;
    if (!decide_name && !(decide_name = PyUnicode_InternFromString("decide"))) return NULL;
    for (int i = 0; i < PLACES; i++) offsets[i] = fresh[i];
    for (int i = 0; i < 2; i++) Py_XSETREF(classes[i], (PyTypeObject *)Py_NewRef(types[i]));
    burst_s = burst;
    Py_RETURN_NONE;
}

static PyObject **place(PyObject *object, enum Slot slot) { return (PyObject **)((char *)object + offsets[slot]); }

/* Of a Receiver, or of anything else: asks ahead for what will be looked at. */
void outgoing_ahead(PyObject *receiver) { ahead(receiver, Py_TYPE(receiver)->tp_basicsize); }

void outgoing_ahead_parts(PyObject *receiver) {
    if (!classes[0] || !Py_IS_TYPE(receiver, classes[0])) return;
    ahead(*place(receiver, R_PACER), classes[1]->tp_basicsize);
    ahead(*place(receiver, R_METER), 128);
}

void outgoing_ahead_numbers(PyObject *receiver) {
    if (!classes[0] || !Py_IS_TYPE(receiver, classes[0])) return;
    PyObject *pacer = *place(receiver, R_PACER), *meter = *place(receiver, R_METER);
    if (pacer && Py_IS_TYPE(pacer, classes[1])) ahead(*place(pacer, P_FULL_UNTIL), 1), ahead(*place(pacer, P_BYTE_S), 1);
    if (meter && Py_IS_TYPE(meter, &MeterType)) meter_ahead(meter);
}

/* Looks at a receiver's bucket; 0 when Python has to decide about all that is sent to it. */
int outgoing_open(PyObject *receiver, Bucket *b) {
    if (!classes[0] || !Py_IS_TYPE(receiver, classes[0])) return 0;
    b->pacer = *place(receiver, R_PACER), b->meter = *place(receiver, R_METER);
    if (*place(receiver, R_LIMITED) != Py_False || !b->pacer || !Py_IS_TYPE(b->pacer, classes[1])) return 0;
    if (!b->meter || !Py_IS_TYPE(b->meter, &MeterType) || meter_is_probing(b->meter)) return 0;
    PyObject *waiting = *place(b->pacer, P_COUNT), *full = *place(b->pacer, P_FULL_UNTIL), *byte_s = *place(b->pacer, P_BYTE_S);
    if (!waiting || !PyLong_Check(waiting) || !full || !PyFloat_Check(full) || !byte_s || !PyFloat_Check(byte_s)) return 0;
    b->full_until = PyFloat_AS_DOUBLE(full), b->byte_s = PyFloat_AS_DOUBLE(byte_s);
    return !PyObject_IsTrue(waiting);
}

/* True when a packet leaves at once, and fills the bucket. */
int outgoing_passes(Bucket *b, long size, double now) {
    if (size < TWCC_AT + 2 || size > 65535 || now < b->full_until - burst_s) return 0;
    b->full_until = (b->full_until > now ? b->full_until : now) + (double)size * b->byte_s;
    return 1;
}

/* Writes back how full the bucket is; 0 with an exception. */
int outgoing_close(const Bucket *b) {
    PyObject *fresh = PyFloat_FromDouble(b->full_until), **at = place(b->pacer, P_FULL_UNTIL), *old = *at;
    if (!fresh) return 0;
    *at = fresh;
    Py_DECREF(old);
    return 1;
}

/* 1 when the packet leaves at once, and is counted and numbered then; 0 when Python has to decide; -1 with an exception. */
static int passes(PyObject *receiver, PyObject *packet, double now) {
    Bucket bucket;
    long size = (long)PyByteArray_GET_SIZE(packet);
    if (!outgoing_open(receiver, &bucket) || !outgoing_passes(&bucket, size, now)) return 0;
    if (!outgoing_close(&bucket)) return -1;
    uint8_t *bytes = (uint8_t *)PyByteArray_AS_STRING(packet);
    /* What has no number is sent again under its own sequence number: it stays the same to the bit. */
    if (bytes[NUMBERED_AT]) {
        unsigned number = meter_sent(bucket.meter, size, now);
        bytes[TWCC_AT] = (uint8_t)(number >> 8), bytes[TWCC_AT + 1] = (uint8_t)number;
    }
    return 1;
}

static int decide(PyObject *receiver, PyObject *item, PyObject *now) {
    outgoing_decisions++;
    PyObject *said = PyObject_CallMethodObjArgs(receiver, decide_name, item, now, NULL);
    int leaves = said ? PyObject_IsTrue(said) : -1;
    Py_XDECREF(said);
    return leaves;
}

/* Whether an item leaves now; -1 with an exception. */
static int leaves_now(PyObject *item, PyObject *receivers, PyObject *now_object, double now) {
    if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 3)
        return PyErr_SetString(PyExc_TypeError, "packets are (id, bytearray, is_rtcp)"), -1;
    if (PyTuple_GET_ITEM(item, 2) == Py_True) return 1;
    PyObject *receiver = PyDict_GetItemWithError(receivers, PyTuple_GET_ITEM(item, 0));
    if (!receiver) return PyErr_Occurred() ? -1 : 1;
    if (!Py_IS_TYPE(receiver, classes[0])) return PyErr_SetString(PyExc_TypeError, "not a Receiver"), -1;
    PyObject *packet = PyTuple_GET_ITEM(item, 1);
    Py_INCREF(receiver); /* a decision in Python may end it */
    int leaves = PyByteArray_CheckExact(packet) ? passes(receiver, packet, now) : 0;
    if (leaves == 0) leaves = decide(receiver, item, now_object);
    Py_DECREF(receiver);
    return leaves;
}

/* outgoing(packets, receivers, now): what of the packets leaves now, in order; the list itself when all do. */
PyObject *outgoing(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    (void)self;
    if (count != 3 || !classes[0] || !PyList_Check(args[0]) || !PyDict_Check(args[1]))
        return PyErr_SetString(PyExc_TypeError, "outgoing(list, dict, float), after bind_outgoing()"), NULL;
    PyObject *packets = args[0], *out = NULL;
    double now = PyFloat_AsDouble(args[2]);
    if (PyErr_Occurred()) return NULL;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(packets); i++) {
        PyObject *item = Py_NewRef(PyList_GET_ITEM(packets, i));
        int leaves = leaves_now(item, args[1], args[2], now);
        if (leaves == 0 && !out && !(out = PyList_GetSlice(packets, 0, i))) leaves = -1;
        if (leaves == 1 && out && PyList_Append(out, item)) leaves = -1;
        Py_DECREF(item);
        if (leaves < 0) {
            Py_XDECREF(out);
            return NULL;
        }
    }
    return out ? out : Py_NewRef(packets);
}
