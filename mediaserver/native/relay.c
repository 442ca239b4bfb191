/* SPDX-License-Identifier: Apache-2.0
 *
 * `Plane.receive` of `mediaserver/sfu/plane.py` in C for the ordinary packet: of a known stream, next in order, of a codec
 * that is described here, no key frame, within its limits; of a recorded room where a tape runs, or nothing of it is
 * recorded. Everything is looked at before anything is changed, so that Python can take whatever else comes from the start.
 */
#define PY_SSIZE_T_CLEAN
#include "relay.h"
#include "allowance.h"
#include "arrivals.h"
#include "direct.h"
#include "fanout.h"
#include "intake.h"
#include "ring.h"
#include "slots.h"
#include <math.h>

enum Class { LANE, PORT, PRODUCER, UPLINK, ACTIVITY, NACK, VOICE, SPEAKERS, TAP, OUTBOX, CLASSES };

enum Slot {
    L_FLUSH, L_PORT, L_RECEIVERS, L_ROOM, L_TAP, L_SPEAKERS, L_OUTBOX,
    P_LIMIT, P_BY_SSRC, P_TWCC_ID, P_TWCC,
    R_TAKES, R_GIVES, R_READER, R_NUMBERED, R_EXTENSION_IDS, R_LEVEL_ID, R_DESCRIPTOR_ID, R_VOICE, R_SILENT, R_SILENCED,
    R_PENDING, R_UPLINKS, R_TAPPED, R_TAP_FIRST, R_RECORDED, R_TAPE,
    U_HIGHEST, U_CANDIDATE, U_RING, U_PACKETS, U_BYTES, U_ACTIVITY, U_LIMIT, U_NACK, U_TRANSIT, U_JITTER, U_CLOCK_RATE,
    U_DOWNLINKS,
    A_BEGUN, A_LAST, A_GONE_S, A_WINDOW_AT, A_BYTES, A_LAYERS,
    N_FRESH,
    V_AUDIBLE, V_PEAK, V_PEAK_AT, V_WINDOW_AT, V_ACTIVE, V_TOTAL,
    S_TOP, S_AUDIBLE,
    TAP_ON, O_EVENTS,
    SLOTS,
};

static const struct {
    enum Class class;
    const char *name;
} names[SLOTS] = {
    {LANE, "flush"}, {LANE, "port"}, {LANE, "receivers"}, {LANE, "room"}, {LANE, "tap"},
    {LANE, "speakers"}, {LANE, "outbox"},
    {PORT, "limit"}, {PORT, "by_ssrc"}, {PORT, "twcc_id"}, {PORT, "twcc"},
    {PRODUCER, "takes"}, {PRODUCER, "gives"}, {PRODUCER, "reader"}, {PRODUCER, "numbered"}, {PRODUCER, "extension_ids"},
    {PRODUCER, "level_id"}, {PRODUCER, "descriptor_id"}, {PRODUCER, "voice"}, {PRODUCER, "silent"},
    {PRODUCER, "silenced"}, {PRODUCER, "pending"}, {PRODUCER, "uplinks"}, {PRODUCER, "tapped"}, {PRODUCER, "tap_first"},
    {PRODUCER, "recorded_packets"}, {PRODUCER, "tape"},
    {UPLINK, "highest"}, {UPLINK, "_candidate"}, {UPLINK, "_ring"}, {UPLINK, "packets"}, {UPLINK, "bytes"},
    {UPLINK, "activity"}, {UPLINK, "limit"}, {UPLINK, "nack"}, {UPLINK, "_transit"}, {UPLINK, "_jitter"},
    {UPLINK, "clock_rate"}, {UPLINK, "downlinks"},
    {ACTIVITY, "_begun"}, {ACTIVITY, "_last"}, {ACTIVITY, "_gone_s"}, {ACTIVITY, "_window_at"}, {ACTIVITY, "_bytes"},
    {ACTIVITY, "_layers"},
    {NACK, "fresh"},
    {VOICE, "audible"}, {VOICE, "peak"}, {VOICE, "peak_at"}, {VOICE, "window_at"}, {VOICE, "active"}, {VOICE, "total"},
    {SPEAKERS, "top"}, {SPEAKERS, "_audible"},
    {TAP, "on"}, {OUTBOX, "events"},
};

static Py_ssize_t offsets[SLOTS];
static PyTypeObject *classes[CLASSES];
static PyObject *now_name, *add_name, *hear_name;
static long active_level;
static double activity_window_s, voice_window_s, fall_db_per_s, takes_place_db;

/* bind_relay((Lane, Port, Producer, Uplink, Activity, NackGenerator, Voice, Speakers, Tap, Outbox), WINDOW_S of activity,
 * ACTIVE_LEVEL, WINDOW_S of a voice, FALL_DB_PER_S, TAKES_PLACE_DB): TypeError when something is not a slot. */
PyObject *bind_relay(PyObject *self, PyObject *args) {
    PyObject *types;
    Py_ssize_t fresh[SLOTS];
    (void)self;
    if (!PyArg_ParseTuple(args, "O!dlddd", &PyTuple_Type, &types, &activity_window_s, &active_level, &voice_window_s, &fall_db_per_s, &takes_place_db)) return NULL;
    if (PyTuple_GET_SIZE(types) != CLASSES) return PyErr_SetString(PyExc_TypeError, "other classes"), NULL;
    for (int i = 0; i < CLASSES; i++)
        if (!PyType_Check(PyTuple_GET_ITEM(types, i))) return PyErr_SetString(PyExc_TypeError, "not a class"), NULL;
    for (int i = 0; i < SLOTS; i++)
        if ((fresh[i] = slot_offset(PyTuple_GET_ITEM(types, names[i].class), names[i].name)) < 0) return NULL;
    if (!now_name && !(now_name = PyUnicode_InternFromString("_now"))) return NULL;
    if (!add_name && !(add_name = PyUnicode_InternFromString("add"))) return NULL;
    if (!hear_name && !(hear_name = PyUnicode_InternFromString("hear"))) return NULL;
    for (int i = 0; i < SLOTS; i++) offsets[i] = fresh[i];
    for (int i = 0; i < CLASSES; i++) Py_XSETREF(classes[i], (PyTypeObject *)Py_NewRef(PyTuple_GET_ITEM(types, i)));
    Py_RETURN_NONE;
}

/* ---- fields ---- */

static PyObject **place(PyObject *object, enum Slot slot) { return (PyObject **)((char *)object + offsets[slot]); }

static void put(PyObject *object, enum Slot slot, PyObject *fresh) {
    PyObject **at = place(object, slot), *old = *at;
    *at = fresh; /* takes the reference over */
    Py_XDECREF(old);
}

static int put_number(PyObject *object, enum Slot slot, long long value) {
    PyObject *made = PyLong_FromLongLong(value);
    if (!made) return 0;
    put(object, slot, made);
    return 1;
}

static int put_real(PyObject *object, enum Slot slot, double value) {
    PyObject *made = PyFloat_FromDouble(value);
    if (!made) return 0;
    put(object, slot, made);
    return 1;
}

/* The object in a slot, borrowed, when it is of that class; else NULL without an exception. */
static PyObject *of_class(PyObject *object, enum Slot slot, enum Class class) {
    PyObject *found = *place(object, slot);
    return found && Py_IS_TYPE(found, classes[class]) ? found : NULL;
}

static int number_in(PyObject *object, enum Slot slot, long long *value) {
    PyObject *found = *place(object, slot);
    int over = 1;
    if (found && PyLong_CheckExact(found)) *value = PyLong_AsLongLongAndOverflow(found, &over);
    return !over;
}

static int real_in(PyObject *object, enum Slot slot, double *value) {
    PyObject *found = *place(object, slot);
    if (!found || !PyFloat_CheckExact(found)) return 0;
    *value = PyFloat_AS_DOUBLE(found);
    return 1;
}

static int is(PyObject *object, enum Slot slot, PyObject *wanted) { return *place(object, slot) == wanted; }

/* ---- what one packet touches ---- */

typedef struct {
    PyObject *lane, *port, *producer, *uplink, *voice, *twcc, *activity; /* borrowed; entry and tape are held */
    PyObject *entry, *extended, *stored;
    long long highest, takes, gives, reader, level_id, descriptor_id, clock_rate;
    double now, jitter, transit;
    int numbered, has_transit, silent; /* silent: not among the loudest, and not heard by this packet */
    PyObject *tape;     /* held; NULL when the packet is not recorded */
    long long recorded; /* packets of the open epoch so far */
    PyObject *now_object;
    long size, level, temporal;
    Brief brief;
} Way;

/* The stream of the packet: 1 with `entry` held, 0 when Python has to look, -1 with an exception. */
static int find_stream(Way *w) {
    PyObject *streams = *place(w->port, P_BY_SSRC);
    if (!streams || !PyDict_CheckExact(streams)) return 0;
    PyObject *key = PyLong_FromUnsignedLong(w->brief.ssrc);
    if (!key) return -1;
    PyObject *entry = PyDict_GetItemWithError(streams, key);
    Py_DECREF(key);
    if (!entry) return PyErr_Occurred() ? -1 : 0;
    if (!PyTuple_CheckExact(entry) || PyTuple_GET_SIZE(entry) != 3 || PyTuple_GET_ITEM(entry, 2) != Py_False) return 0;
    w->producer = PyTuple_GET_ITEM(entry, 0), w->uplink = PyTuple_GET_ITEM(entry, 1);
    if (!Py_IS_TYPE(w->producer, classes[PRODUCER]) || !Py_IS_TYPE(w->uplink, classes[UPLINK])) return 0;
    w->entry = Py_NewRef(entry);
    return 1;
}

/* Whether the producer's packets go straight on. */
static int goes_on(Way *w) {
    PyObject *producer = w->producer, *pending = *place(producer, R_PENDING), *ids = *place(producer, R_EXTENSION_IDS);
    if (!is(producer, R_SILENCED, Py_False)) return 0;
    if (!number_in(producer, R_TAKES, &w->takes) || w->takes != w->brief.payload_type) return 0;
    if (!number_in(producer, R_GIVES, &w->gives) || w->gives < 0 || w->gives > 127) return 0;
    if (!number_in(producer, R_READER, &w->reader) || !w->reader || !ids || !PyDict_CheckExact(ids)) return 0;
    if (!number_in(producer, R_LEVEL_ID, &w->level_id) || !number_in(producer, R_DESCRIPTOR_ID, &w->descriptor_id)) return 0;
    w->numbered = is(producer, R_NUMBERED, Py_True), w->silent = is(producer, R_SILENT, Py_True);
    w->voice = *place(producer, R_VOICE);
    if (!w->voice || (w->voice != Py_None && !Py_IS_TYPE(w->voice, classes[VOICE]))) return 0;
    if (w->voice == Py_None) w->voice = NULL;
    if (w->silent) return w->voice && is(w->voice, V_AUDIBLE, Py_False);
    if (!w->numbered && (!pending || !PyTuple_CheckExact(pending) || PyTuple_GET_SIZE(pending))) return 0;
    return !w->voice || is(w->voice, V_AUDIBLE, Py_True);
}

/* Whether the packet is the next of its stream, and the stream has nothing to ask for. */
static int is_next(Way *w) {
    PyObject *uplink = w->uplink, *ring = *place(uplink, U_RING), *nack = of_class(uplink, U_NACK, NACK);
    PyObject *downlinks = *place(uplink, U_DOWNLINKS), *transit = *place(uplink, U_TRANSIT), *begun;
    if (!number_in(uplink, U_HIGHEST, &w->highest) || w->brief.number != ((w->highest + 1) & 0xffff)) return 0;
    if (!nack || !is(nack, N_FRESH, Py_False) || !ring || !PyList_CheckExact(ring) || !PyList_GET_SIZE(ring)) return 0;
    if (!downlinks || !PyTuple_CheckExact(downlinks) || !real_in(uplink, U_JITTER, &w->jitter)) return 0;
    if (!number_in(uplink, U_CLOCK_RATE, &w->clock_rate)) return 0;
    w->has_transit = transit != Py_None;
    if (w->has_transit && !real_in(uplink, U_TRANSIT, &w->transit)) return 0;
    w->activity = of_class(uplink, U_ACTIVITY, ACTIVITY);
    begun = w->activity ? *place(w->activity, A_BYTES) : NULL;
    return begun && PyList_CheckExact(begun);
}

/* Whether neither limit is reached. */
static int may_pass(Way *w) {
    PyObject *limit = *place(w->port, P_LIMIT), *of_stream = *place(w->uplink, U_LIMIT);
    if (!allowance_would_take(limit, w->size, w->now) || !allowance_would_take(of_stream, w->size, w->now)) return 0;
    w->twcc = *place(w->port, P_TWCC);
    return w->twcc && Py_IS_TYPE(w->twcc, &ArrivalsType);
}

/* As Activity.add; what begins or ends a window goes to it. */
static int note_activity(Way *w, long size) {
    PyObject *a = w->activity, *bytes = *place(a, A_BYTES);
    double last, gone, window;
    long long layers, held;
    if (is(a, A_BEGUN, Py_None) || !real_in(a, A_LAST, &last) || !real_in(a, A_GONE_S, &gone) ||
        !real_in(a, A_WINDOW_AT, &window) || !number_in(a, A_LAYERS, &layers) || w->now - last > gone ||
        w->now - window >= activity_window_s || w->temporal < 0 || w->temporal >= layers ||
        w->temporal >= PyList_GET_SIZE(bytes)) {
        PyObject *said = PyObject_CallMethod(a, "add", "llO", size, w->temporal, w->now_object);
        Py_XDECREF(said);
        return said != NULL;
    }
    held = PyLong_AsLongLong(PyList_GET_ITEM(bytes, w->temporal));
    PyObject *sum = held == -1 && PyErr_Occurred() ? NULL : PyLong_FromLongLong(held + size);
    if (!sum || PyList_SetItem(bytes, w->temporal, sum)) return 0;
    put(a, A_LAST, Py_NewRef(w->now_object));
    return 1;
}

/* As Voice.hear of a voice that is heard already. */
static int note_voice(Way *w) {
    PyObject *v = w->voice;
    double peak, peak_at, window, total;
    long long active;
    if (!real_in(v, V_WINDOW_AT, &window) || w->now - window >= voice_window_s || !real_in(v, V_PEAK, &peak) ||
        !real_in(v, V_PEAK_AT, &peak_at) || !real_in(v, V_TOTAL, &total) || !number_in(v, V_ACTIVE, &active)) {
        PyObject *said = PyObject_CallMethod(v, "hear", "lO", w->level, w->now_object);
        Py_XDECREF(said);
        return said != NULL;
    }
    double score = peak - (w->now - peak_at) * fall_db_per_s, loud = 127.0 - (double)w->level;
    if (!put_real(v, V_PEAK, score > loud ? score : loud)) return 0;
    put(v, V_PEAK_AT, Py_NewRef(w->now_object));
    return w->level > active_level || (put_number(v, V_ACTIVE, active + 1) && put_real(v, V_TOTAL, total + loud));
}

/* As Voice.score. */
static int score_of(PyObject *voice, double now, double *score) {
    double peak, peak_at;
    if (!real_in(voice, V_PEAK, &peak) || !real_in(voice, V_PEAK_AT, &peak_at)) return 0;
    *score = peak - (now - peak_at) * fall_db_per_s;
    return 1;
}

/* Whether Speakers.heard would pass a voice over that is not heard so far, with a packet of this level. */
static int stays_silent(const Way *w) {
    PyObject *speakers = of_class(w->lane, L_SPEAKERS, SPEAKERS), *audible = speakers ? *place(speakers, S_AUDIBLE) : NULL;
    long long top;
    double own, quietest = 0, loud = 127.0 - (double)w->level;
    if (w->level < 0 || !audible || !PyList_CheckExact(audible) || !number_in(speakers, S_TOP, &top)) return 0;
    if (!PyList_GET_SIZE(audible) || PyList_GET_SIZE(audible) < top || !score_of(w->voice, w->now, &own)) return 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(audible); i++) {
        PyObject *other = PyList_GET_ITEM(audible, i);
        double score;
        if (!Py_IS_TYPE(other, classes[VOICE]) || !score_of(other, w->now, &score)) return 0;
        if (!i || score < quietest) quietest = score;
    }
    return (loud > own ? loud : own) <= quietest + takes_place_db;
}

/* As Uplink.accept and Uplink.store. */
static int keep(Way *w) {
    PyObject *uplink = w->uplink, *ring = *place(uplink, U_RING);
    long long packets, bytes;
    long size = stored_bytes(w->stored);
    put(uplink, U_HIGHEST, Py_NewRef(w->extended));
    put(uplink, U_CANDIDATE, Py_NewRef(Py_None));
    if (PyList_SetItem(ring, (Py_ssize_t)((w->highest + 1) % PyList_GET_SIZE(ring)), Py_NewRef(w->stored))) return 0;
    if (!number_in(uplink, U_PACKETS, &packets) || !number_in(uplink, U_BYTES, &bytes))
        return PyErr_SetString(PyExc_TypeError, "counters are integers"), 0;
    if (!put_number(uplink, U_PACKETS, packets + 1) || !put_number(uplink, U_BYTES, bytes + size)) return 0;
    if (!note_activity(w, size)) return 0;
    double rate = (double)w->clock_rate, transit = w->now * rate - (double)w->brief.timestamp;
    if (w->has_transit) {
        double step = fabs(transit - w->transit);
        if (step < rate * 10 && !put_real(uplink, U_JITTER, w->jitter + (step - w->jitter) / 16)) return 0;
    }
    return put_real(uplink, U_TRANSIT, transit);
}

/* Whether Tap.take would do no more with the packet, which is no key frame, than put it on a tape, if that: -1 with an
 * exception. While events wait that came before it, it has to wait behind them. */
static int may_be_taped(Way *w) {
    PyObject *tap = of_class(w->lane, L_TAP, TAP), *uplinks = *place(w->producer, R_UPLINKS);
    long long first;
    if (!tap || !is(tap, TAP_ON, Py_True)) return tap && is(tap, TAP_ON, Py_False);
    if (!uplinks || !PyTuple_CheckExact(uplinks)) return 0;
    if (!is(w->producer, R_TAPPED, w->uplink)) return PyTuple_GET_SIZE(uplinks) > 1; /* an epoch opens at a key frame */
    PyObject *outbox = of_class(w->lane, L_OUTBOX, OUTBOX), *events = outbox ? *place(outbox, O_EVENTS) : NULL;
    if (!events || !PyList_CheckExact(events) || PyList_GET_SIZE(events)) return 0;
    if (!number_in(w->producer, R_TAP_FIRST, &first) || w->highest + 1 < first) return 0;
    if (!number_in(w->producer, R_RECORDED, &w->recorded) || w->recorded < 1) return 0;
    int runs = tape_runs(*place(w->producer, R_TAPE));
    if (runs > 0) w->tape = Py_NewRef(*place(w->producer, R_TAPE));
    return runs;
}

static int to_tape(Way *w, const uint8_t *bytes) {
    return !w->tape || (put_number(w->producer, R_RECORDED, w->recorded + 1) && tape_keep(w->tape, bytes, w->size, w->now));
}

/* Nothing speaks against it any more: count, keep, hand on. */
static int commit(Way *w, const uint8_t *bytes, PyObject *out) {
    allowance_pay(*place(w->port, P_LIMIT), w->size, w->now);
    allowance_pay(*place(w->uplink, U_LIMIT), w->size, w->now);
    PyObject *room = *place(w->lane, L_ROOM);
    if (room && PyObject_SetAttr(room, now_name, w->now_object)) return 0;
    if (w->brief.wide >= 0 && !arrivals_note(w->twcc, w->brief.wide, w->now)) return 0;
    if (!keep(w) || (w->voice && w->level >= 0 && !note_voice(w))) return 0;
    if (w->silent) return to_tape(w, bytes);
    PyObject *downlinks = *place(w->uplink, U_DOWNLINKS);
    if (!out) return direct_add(w->stored, downlinks, *place(w->lane, L_RECEIVERS)) && to_tape(w, bytes);
    PyObject *arguments[3] = {out, downlinks, w->stored}, *done = fan_out(NULL, arguments, 3);
    Py_XDECREF(done);
    return done && to_tape(w, bytes);
}

/* An authentic packet of a lane's transport: 1 when it was taken and its copies are in `out`, or it waits for them in direct.c
 * where that is NULL; 0 when nothing was changed and Python has to take it, -1 with an exception. */
int relay_forward(PyObject *lane, const uint8_t *bytes, long size, PyObject *now_object, double now, PyObject *out) {
    Way w = {.lane = lane, .size = size, .now = now, .now_object = now_object, .level = -1};
    long long twcc_id;
    int found, described = 0;
    if (!classes[LANE] || !Py_IS_TYPE(lane, classes[LANE]) || !(w.port = of_class(lane, L_PORT, PORT))) return 0;
    if (!number_in(w.port, P_TWCC_ID, &twcc_id) || !intake_brief(bytes, size, (long)twcc_id, &w.brief)) return 0;
    if ((found = find_stream(&w)) <= 0) return found;
    found = goes_on(&w) && is_next(&w) && may_pass(&w) ? may_be_taped(&w) : 0;
    if (found && !(w.extended = PyLong_FromLongLong(w.highest + 1))) found = -1;
    if (found > 0) {
        w.stored = intake_keep(bytes, size, *place(w.producer, R_EXTENSION_IDS), (long)w.level_id, (long)w.descriptor_id,
                               w.extended, now_object, now, (int)w.gives, w.numbered, (int)w.reader, &w.level, &w.temporal,
                               &described);
        found = !w.stored ? -1 : !described || (w.silent && !stays_silent(&w)) ? 0 : commit(&w, bytes, out) ? 1 : -1;
    }
    Py_XDECREF(w.stored);
    Py_XDECREF(w.extended);
    Py_XDECREF(w.tape);
    Py_DECREF(w.entry);
    return found;
}

PyObject *relay_receivers(PyObject *lane) { return *place(lane, L_RECEIVERS); }
PyObject *relay_flush(PyObject *lane) { return *place(lane, L_FLUSH); }

/* forward_received(lane, packet, now, out): True when the packet was taken and its copies are in `out`, False when nothing
 * was changed. */
PyObject *forward_received(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    (void)self;
    if (count != 4 || !PyList_CheckExact(args[3]) || !(PyBytes_Check(args[1]) || PyByteArray_Check(args[1])))
        return PyErr_SetString(PyExc_TypeError, "forward_received(lane, bytes, float, list), after bind_relay()"), NULL;
    if (!PyFloat_CheckExact(args[2])) Py_RETURN_FALSE;
    int plain = PyBytes_Check(args[1]);
    const char *bytes = plain ? PyBytes_AS_STRING(args[1]) : PyByteArray_AS_STRING(args[1]);
    Py_ssize_t size = plain ? PyBytes_GET_SIZE(args[1]) : PyByteArray_GET_SIZE(args[1]);
    int taken = relay_forward(args[0], (const uint8_t *)bytes, (long)size, args[2], PyFloat_AS_DOUBLE(args[2]), args[3]);
    return taken < 0 ? NULL : PyBool_FromLong(taken);
}
