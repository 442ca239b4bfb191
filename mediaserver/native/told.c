/* SPDX-License-Identifier: Apache-2.0
 *
 * What a receiver tells that is nothing special: its transport-wide feedback, and its reports without losses.
 *
 * Transport-wide feedback of a receiver, from the datagram to the summary that its estimate is made of: what
 * `Room.receive_rtcp` and `rtcp.parse` do with an RTCP packet that is one feedback and nothing else, within the peer's limit.
 * Everything is looked at before anything is changed, so that Python can take whatever else comes from the start. What is
 * quiet stays with the Meter for a while (see meter.py).
 *
 * Of a receiver that tells by feedback, and lost nothing so far, a report that tells of no loss brings a round trip and no more:
 * `Downlink.receiver_report` in C.
 */
#define PY_SSIZE_T_CLEAN
#include "told.h"
#include "allowance.h"
#include "meter.h"
#include "slots.h"
#include "wire.h"

enum { HEAD = 4, RR = 201, RTPFB = 205, TWCC = 15, BLOCK = 24, MOST_BLOCKS = 31, MOST_RTT = 10 * 65536 };
enum Class { LANE, PORT, RECEIVER, DOWNLINK, SPAN, UPLINK, SENDER_REPORT, CLASSES };
enum Slot {
    L_PORT, L_RECEIVERS, P_LIMIT, P_TRANSPORT_ID, P_DOWNLINKS, P_LINK, R_METER,
    D_SSRC, D_FRACTION_LOST, D_RTT_S, D_SPAN, S_UPLINK, U_REPORT, U_REPORT_AT, SR_NTP, PLACES,
};

static const struct {
    int class; /* of bind_told()'s arguments */
    const char *name;
} names[PLACES] = {
    {LANE, "port"}, {LANE, "receivers"}, {PORT, "limit"}, {PORT, "transport_id"}, {PORT, "downlinks"}, {PORT, "link"},
    {RECEIVER, "meter"}, {DOWNLINK, "ssrc"}, {DOWNLINK, "fraction_lost"}, {DOWNLINK, "rtt_s"}, {DOWNLINK, "span"},
    {SPAN, "uplink"}, {UPLINK, "report"}, {UPLINK, "report_at"}, {SENDER_REPORT, "ntp"},
};

static Py_ssize_t offsets[PLACES];
static PyTypeObject *classes[CLASSES];
static PyObject *reported_name, *round_trip_name;

/* bind_told(Lane, Port, Receiver, Downlink, Span, Uplink, SenderReport): remember where their slots lie. TypeError when one is
 * not a slot. */
PyObject *bind_told(PyObject *self, PyObject *args) {
    Py_ssize_t fresh[PLACES];
    (void)self;
    if (PyTuple_GET_SIZE(args) != CLASSES) return PyErr_SetString(PyExc_TypeError, "other classes"), NULL;
    for (int i = 0; i < CLASSES; i++)
        if (!PyType_Check(PyTuple_GET_ITEM(args, i))) return PyErr_SetString(PyExc_TypeError, "not a class"), NULL;
    for (int i = 0; i < PLACES; i++)
        if ((fresh[i] = slot_offset(PyTuple_GET_ITEM(args, names[i].class), names[i].name)) < 0) return NULL;
    if (!reported_name && !(reported_name = PyUnicode_InternFromString("_reported"))) return NULL;
    if (!round_trip_name && !(round_trip_name = PyUnicode_InternFromString("round_trip"))) return NULL;
    for (int i = 0; i < PLACES; i++) offsets[i] = fresh[i];
    for (int i = 0; i < CLASSES; i++) Py_XSETREF(classes[i], (PyTypeObject *)Py_NewRef(PyTuple_GET_ITEM(args, i)));
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

static int is_zero(PyObject *number) { return number && PyFloat_CheckExact(number) && PyFloat_AS_DOUBLE(number) == 0; }

/* The consumer with this SSRC, borrowed; NULL when there is none. */
static PyObject *downlink_of(PyObject *downlinks, uint32_t ssrc) {
    PyObject *key, *downlink, *own;
    for (Py_ssize_t at = 0; PyDict_Next(downlinks, &at, &key, &downlink);)
        if (Py_IS_TYPE(downlink, classes[DOWNLINK]) && (own = in_slot(downlink, D_SSRC)) && PyLong_CheckExact(own) &&
            PyLong_AsUnsignedLongMask(own) == ssrc)
            return downlink;
    return NULL;
}

/* Of a block: 1 with the round trip, 0 when it tells of none, -1 when Python has to look. */
static int round_trip_of(PyObject *downlink, const uint8_t *block, double now, double *rtt) {
    PyObject *span = in_slot(downlink, D_SPAN), *uplink = NULL, *report = NULL, *ntp = NULL, *at = NULL;
    if (!get32(block + 16)) return 0;
    if (span && Py_IS_TYPE(span, classes[SPAN])) uplink = in_slot(span, S_UPLINK);
    if (uplink && Py_IS_TYPE(uplink, classes[UPLINK])) report = in_slot(uplink, U_REPORT), at = in_slot(uplink, U_REPORT_AT);
    if (report == Py_None) return 0;
    if (report && Py_IS_TYPE(report, classes[SENDER_REPORT])) ntp = in_slot(report, SR_NTP);
    if (!ntp || !PyLong_CheckExact(ntp) || !at || !PyFloat_CheckExact(at)) return -1;
    double elapsed = (now - PyFloat_AS_DOUBLE(at)) * 4294967296.0;
    if (!(elapsed > -1e18 && elapsed < 1e18)) return -1;
    uint64_t then = PyLong_AsUnsignedLongLongMask(ntp) + (uint64_t)(int64_t)elapsed;
    uint32_t found = (uint32_t)(then >> 16) - get32(block + 16) - get32(block + 20);
    *rtt = found / 65536.0;
    return found < MOST_RTT;
}

/* A report of nothing but received packets: 1 when it was taken, -1 with an exception, or without one when nothing was
 * changed and Python has to take it. */
static int take_report(PyObject *port, const uint8_t *bytes, Py_ssize_t size, double now) {
    PyObject *downlinks = in_slot(port, P_DOWNLINKS), *link = in_slot(port, P_LINK), *found[MOST_BLOCKS];
    double rtts[MOST_BLOCKS];
    int count = bytes[0] & 31, known[MOST_BLOCKS];
    if (size != HEAD + 4 + BLOCK * count || HEAD + 4 * (bytes[2] << 8 | bytes[3]) != size || !count) return -1;
    if (!downlinks || !PyDict_CheckExact(downlinks) || !link) return -1;
    PyObject *reported = PyObject_GetAttr(link, reported_name);
    int clean = is_zero(reported);
    Py_XDECREF(reported);
    if (!clean) return -1;
    for (int i = 0; i < count; i++) {
        const uint8_t *block = bytes + HEAD + 4 + BLOCK * i;
        found[i] = downlink_of(downlinks, get32(block));
        known[i] = 0;
        if (!found[i]) continue;
        if (block[4] || !is_zero(in_slot(found[i], D_FRACTION_LOST))) return -1;
        if ((known[i] = round_trip_of(found[i], block, now, &rtts[i])) < 0) return -1;
    }
    for (int i = 0; i < count; i++) {
        if (!known[i]) continue;
        PyObject *rtt = PyFloat_FromDouble(rtts[i]), *at = PyFloat_FromDouble(now), *said = NULL;
        if (rtt && at) {
            PyObject **slot = (PyObject **)((char *)found[i] + offsets[D_RTT_S]);
            Py_XSETREF(*slot, Py_NewRef(rtt));
            said = PyObject_CallMethodObjArgs(link, round_trip_name, rtt, at, NULL);
        }
        Py_XDECREF(rtt);
        Py_XDECREF(at);
        Py_XDECREF(said);
        if (!said) return -1;
    }
    return 1;
}

/* An authentic RTCP packet of a lane's transport: 1 when it was taken and quiet, 0 when it was taken and is not; what
 * the Receiver is to be told is then appended to `told` as (Receiver, meter.Told). -1 with an exception, or without one when
 * nothing was changed and Python has to take it. */
int told_by(PyObject *lane, const uint8_t *bytes, Py_ssize_t size, double now, PyObject *told) {
    Py_ssize_t used = feedback_bytes(bytes, size), before = PyList_GET_SIZE(told);
    int reports = !used && size >= HEAD && bytes[0] >> 5 == 4 && bytes[1] == RR;
    if ((!used && !reports) || !classes[LANE] || !Py_IS_TYPE(lane, classes[LANE])) return -1;
    PyObject *port = in_slot(lane, L_PORT), *receivers = in_slot(lane, L_RECEIVERS);
    if (!port || !Py_IS_TYPE(port, classes[PORT]) || !receivers || !PyDict_CheckExact(receivers)) return -1;
    PyObject *limit = in_slot(port, P_LIMIT), *id = in_slot(port, P_TRANSPORT_ID);
    PyObject *receiver = id ? PyDict_GetItemWithError(receivers, id) : NULL;
    if (!receiver || !Py_IS_TYPE(receiver, classes[RECEIVER]) || !allowance_would_take(limit, (long)size, now)) return -1;
    PyObject *meter = in_slot(receiver, R_METER);
    if (!meter || !Py_IS_TYPE(meter, &MeterType)) return -1;
    if (reports && !meter_is_calm(meter)) return -1;
    int quiet = reports ? take_report(port, bytes, size, now) : meter_take(meter, bytes + HEAD, used - HEAD, now, told);
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
