/* SPDX-License-Identifier: Apache-2.0
 *
 * Transport-wide feedback of a receiver, from the datagram to the summary that its estimate is made of: what
 * `Room.receive_rtcp` and `rtcp.parse` do with an RTCP packet that is one feedback and nothing else, within the peer's limit.
 * Everything is looked at before anything is changed, so that Python can take whatever else comes from the start. What is
 * quiet stays with the Meter for a while (see meter.py).
 */
#define PY_SSIZE_T_CLEAN
#include "told.h"
#include "allowance.h"
#include "meter.h"
#include "slots.h"

enum { HEAD = 4, RTPFB = 205, TWCC = 15 };
enum Slot { L_PORT, L_RECEIVERS, P_LIMIT, P_TRANSPORT_ID, R_METER, PLACES };

static const struct {
    int class; /* of bind_told()'s arguments */
    const char *name;
} names[PLACES] = {{0, "port"}, {0, "receivers"}, {1, "limit"}, {1, "transport_id"}, {2, "meter"}};

static Py_ssize_t offsets[PLACES];
static PyTypeObject *classes[3];

/* bind_told(Lane, Port, Receiver): remember where their slots lie. TypeError when one is not a slot. */
PyObject *bind_told(PyObject *self, PyObject *args) {
    PyObject *types[3];
    Py_ssize_t fresh[PLACES];
    (void)self;
    if (!PyArg_ParseTuple(args, "O!O!O!", &PyType_Type, &types[0], &PyType_Type, &types[1], &PyType_Type, &types[2])) return NULL;
    for (int i = 0; i < PLACES; i++)
        if ((fresh[i] = slot_offset(types[names[i].class], names[i].name)) < 0) return NULL;
    for (int i = 0; i < PLACES; i++) offsets[i] = fresh[i];
    for (int i = 0; i < 3; i++) Py_XSETREF(classes[i], (PyTypeObject *)Py_NewRef(types[i]));
    Py_RETURN_NONE;
}

static PyObject *in_slot(PyObject *object, enum Slot slot) { return *(PyObject **)((char *)object + offsets[slot]); }

/* Bytes of the packet without its padding when it is one feedback and nothing else, else 0. */
static Py_ssize_t feedback_bytes(const uint8_t *bytes, Py_ssize_t size) {
    if (size < HEAD || (bytes[0] & 0xdf) != (0x80 | TWCC) || bytes[1] != RTPFB) return 0;
    if (HEAD + 4 * (Py_ssize_t)(bytes[2] << 8 | bytes[3]) != size) return 0;
    Py_ssize_t padding = bytes[0] & 0x20 ? bytes[size - 1] : 0;
    if (bytes[0] & 0x20 && (padding == 0 || padding > size - HEAD)) return 0;
    return size - padding;
}

/* An authentic RTCP packet of a lane's transport: 1 when it was taken and quiet, 0 when it was taken and is not; what
 * the Receiver is to be told is then appended to `told` as (Receiver, meter.Told). -1 with an exception, or without one when
 * nothing was changed and Python has to take it. */
int told_by(PyObject *lane, const uint8_t *bytes, Py_ssize_t size, double now, PyObject *told) {
    Py_ssize_t used = feedback_bytes(bytes, size), before = PyList_GET_SIZE(told);
    if (!used || !classes[0] || !Py_IS_TYPE(lane, classes[0])) return -1;
    PyObject *port = in_slot(lane, L_PORT), *receivers = in_slot(lane, L_RECEIVERS);
    if (!port || !Py_IS_TYPE(port, classes[1]) || !receivers || !PyDict_CheckExact(receivers)) return -1;
    PyObject *limit = in_slot(port, P_LIMIT), *id = in_slot(port, P_TRANSPORT_ID);
    PyObject *receiver = id ? PyDict_GetItemWithError(receivers, id) : NULL;
    if (!receiver || !Py_IS_TYPE(receiver, classes[2]) || !allowance_would_take(limit, (long)size, now)) return -1;
    PyObject *meter = in_slot(receiver, R_METER);
    if (!meter || !Py_IS_TYPE(meter, &MeterType)) return -1;
    int quiet = meter_take(meter, bytes + HEAD, used - HEAD, now, told);
    if (quiet < 0) return -1;
    allowance_pay(limit, (long)size, now);
    for (Py_ssize_t i = before; i < PyList_GET_SIZE(told); i++) {
        PyObject *pair = PyTuple_Pack(2, receiver, PyList_GET_ITEM(told, i));
        if (!pair || PyList_SetItem(told, i, pair)) return -1;
    }
    return quiet;
}

/* take_told(lane, packet, now): [(Receiver, meter.Told)], None when Python has to take it. */
PyObject *take_told(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    (void)self;
    if (count != 3 || !PyBytes_Check(args[1]) || !PyFloat_Check(args[2]))
        return PyErr_SetString(PyExc_TypeError, "take_told(lane, bytes, float), after bind_told()"), NULL;
    const uint8_t *bytes = (const uint8_t *)PyBytes_AS_STRING(args[1]);
    PyObject *told = PyList_New(0);
    if (!told || told_by(args[0], bytes, PyBytes_GET_SIZE(args[1]), PyFloat_AS_DOUBLE(args[2]), told) >= 0) return told;
    Py_DECREF(told);
    if (PyErr_Occurred()) return NULL;
    Py_RETURN_NONE;
}
