/* SPDX-License-Identifier: Apache-2.0
 *
 * `mediaserver/sfu/bandwidth/meter.py`'s Meter in C: what was sent to one receiver, and what its feedback makes of it. The
 * same steps in the same order, so that both come to the same numbers, to the last bit; what they mean is said there and
 * in history.py, delay.py and rates.py. And the reader of `mediaserver/rtp/transport_feedback.py`.
 *
 * What a stranger claims is bounded before it is used: the number of statuses, every offset, and what of it was sent.
 */
#define PY_SSIZE_T_CLEAN
#include "meter.h"
#include "wire.h"
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <structmember.h>

/* ---- feedback as it came ---- */

enum { MAX_STATUSES = 4096, VECTOR = 14, HEAD = 16, REFERENCE_TICKS = 256 };

/* `total` status symbols; where the deltas begin, or -1 when the bytes end before. */
static Py_ssize_t read_symbols(const uint8_t *body, Py_ssize_t size, int total, uint8_t *symbols) {
    Py_ssize_t at = HEAD;
    for (int count = 0; count < total;) {
        if (at + 2 > size) return -1;
        unsigned chunk = get16(body + at);
        at += 2;
        if (!(chunk & 0x8000)) {
            int run = (int)(chunk & 0x1fff);
            if (run > total - count) run = total - count;
            memset(symbols + count, (int)(chunk >> 13), (size_t)run);
            count += run;
        } else if (chunk & 0x4000) {
            for (int shift = 12; shift >= 0; shift -= 2) symbols[count++] = chunk >> shift & 3;
        } else {
            for (int shift = 13; shift >= 0; shift--) symbols[count++] = chunk >> shift & 1;
        }
    }
    return at;
}

/* Feedback as it came: of each packet whether it arrived, and when. */
typedef struct {
    unsigned base, count;
    int total;
    uint8_t symbols[MAX_STATUSES + VECTOR]; /* the last chunk may tell of more than was claimed; 0 for what did not come */
    long long ticks[MAX_STATUSES];
} Feedback;

/* 0 when it is malformed or claims too much. */
static int read_body(const uint8_t *body, Py_ssize_t size, Feedback *f) {
    if (size < HEAD) return 0;
    f->base = get16(body + 8), f->count = body[15], f->total = (int)get16(body + 10);
    if (f->total == 0 || f->total > MAX_STATUSES) return 0;
    Py_ssize_t at = read_symbols(body, size, f->total, f->symbols);
    if (at < 0) return 0;
    long long time = (long long)(get32(body + 12) >> 8) * REFERENCE_TICKS;
    for (int i = 0; i < f->total; i++) {
        if (f->symbols[i] == 0) continue;
        if (f->symbols[i] == 1 && at < size) time += body[at++];
        else if (f->symbols[i] == 2 && at + 2 <= size) time += (int16_t)get16(body + at), at += 2;
        else return 0; /* the bytes end before, or the symbol is reserved */
        f->ticks[i] = time;
    }
    return 1;
}

static Feedback feedback; /* used by one thread, and not across a call into Python */

/* read_feedback(body): (sender, media, base, count, arrivals), None when it is malformed or claims too much. */
PyObject *read_feedback(PyObject *self, PyObject *argument) {
    (void)self;
    if (!PyBytes_Check(argument)) return PyErr_SetString(PyExc_TypeError, "the body is bytes"), NULL;
    const uint8_t *body = (const uint8_t *)PyBytes_AS_STRING(argument);
    if (!read_body(body, PyBytes_GET_SIZE(argument), &feedback)) Py_RETURN_NONE;
    PyObject *arrivals = PyTuple_New(feedback.total);
    for (int i = 0; arrivals && i < feedback.total; i++) {
        PyObject *one = feedback.symbols[i] ? PyLong_FromLongLong(feedback.ticks[i]) : Py_NewRef(Py_None);
        if (one) PyTuple_SET_ITEM(arrivals, i, one);
        else Py_CLEAR(arrivals);
    }
    if (!arrivals) return NULL;
    return Py_BuildValue("(IIIIN)", get32(body), get32(body + 4), feedback.base, feedback.count, arrivals);
}

/* ---- rates.ArrivedRate ---- */

enum { BUCKETS = 32 }; /* WINDOW_S / BUCKET_S and some */
static const double WINDOW_S = 0.5, BUCKET_S = 0.025;

typedef struct {
    struct {
        double at, bytes;
    } buckets[BUCKETS];
    int from, count, begun;
    double bytes, first;
} Rate;

static void rate_add(Rate *r, double at, double size) {
    if (!r->begun) r->begun = 1, r->first = at;
    double last = r->count ? r->buckets[(r->from + r->count - 1) % BUCKETS].at : 0;
    if (!r->count || at - last >= BUCKET_S) {
        if (r->count && at - last > 2 * WINDOW_S) r->count = 0, r->bytes = 0, r->first = at;
        if (r->count == BUCKETS) { /* never: the window holds fewer */
            r->bytes -= r->buckets[r->from].bytes;
            r->from = (r->from + 1) % BUCKETS, r->count--;
        }
        int next = (r->from + r->count++) % BUCKETS;
        r->buckets[next].at = at, r->buckets[next].bytes = 0;
    }
    r->buckets[(r->from + r->count - 1) % BUCKETS].bytes += size;
    r->bytes += size;
    while (r->count > 1 && r->buckets[r->from].at < at - WINDOW_S) {
        r->bytes -= r->buckets[r->from].bytes;
        r->from = (r->from + 1) % BUCKETS, r->count--;
    }
}

static PyObject *rate_bps(const Rate *r) {
    if (!r->begun || !r->count) Py_RETURN_NONE;
    double span = r->buckets[(r->from + r->count - 1) % BUCKETS].at - r->first;
    if (WINDOW_S < span) span = WINDOW_S;
    if (!(span >= WINDOW_S / 3)) Py_RETURN_NONE;
    return PyFloat_FromDouble(r->bytes * 8 / span);
}

/* ---- delay.Groups and delay.Trendline ---- */

enum { WINDOW = 20, GAIN_SAMPLES = 60, LOWEST = 2048 };
enum Usage { NORMAL, OVER, UNDER };
static const double GROUP_S = 0.005, BURST_S = 0.005, BURST_LIMIT_S = 0.1, CLOCK_STEP_S = 3.0, SMOOTHING = 0.9, GAIN = 4.0;
static const double THRESHOLD_MS = 12.5, THRESHOLD_MIN_MS = 6.0, THRESHOLD_MAX_MS = 600.0, RISE = 0.0087, FALL = 0.039;
static const double FAR_MS = 10000.0, LEAST_SPREAD = 1e-9;
static const double OUTLIER_MS = 15.0, OVERUSE_S = 0.01;

typedef struct {
    double x, y;
} Point;

typedef struct {
    Point points[WINDOW];
    int from, count, left;
    double origin, x_sum, y_sum, xx_sum, xy_sum;
} Line;

typedef struct {
    /* Groups */
    double first_sent, last_sent, first_arrived, last_arrived, previous_sent, previous_arrived;
    int has_previous, open;
    /* Trendline */
    enum Usage usage;
    double queue_ms, first_arrival, accumulated, smoothed, threshold, updated, over_s, slope;
    int count, over_count, has_first, has_updated;
    Line line;
    Point lowest[LOWEST];
    int lowest_from, lowest_count;
} Delay;

static void delay_reset(Delay *d) {
    memset(d, 0, sizeof *d);
    d->threshold = THRESHOLD_MS;
    d->over_s = -1.0;
}

/* Line.add: false while there are too few points. */
static int line_add(Line *l, double x, double y, double *slope) {
    if (l->count < WINDOW - 1) {
        l->points[l->count++] = (Point){x, y};
        return 0;
    }
    int full = l->count == WINDOW;
    Point first = l->points[l->from];
    if (full) l->points[l->from] = (Point){x, y}, l->from = (l->from + 1) % WINDOW;
    else l->points[l->count++] = (Point){x, y};
    if (l->left > 0 && fabs(x - l->origin) < FAR_MS) {
        double before = first.x - l->origin, away = x - l->origin;
        l->left--;
        l->x_sum = l->x_sum - before + away;
        l->y_sum = l->y_sum - first.y + y;
        l->xx_sum = l->xx_sum - before * before + away * away;
        l->xy_sum = l->xy_sum - before * first.y + away * y;
    } else {
        l->left = WINDOW, l->origin = l->points[l->from].x;
        l->x_sum = l->y_sum = l->xx_sum = l->xy_sum = 0;
        for (int i = 0; i < WINDOW; i++) {
            const Point *p = &l->points[(l->from + i) % WINDOW];
            double away = p->x - l->origin;
            l->x_sum += away;
            l->y_sum += p->y;
            l->xx_sum += away * away;
            l->xy_sum += away * p->y;
        }
    }
    double below = l->xx_sum - l->x_sum * l->x_sum / WINDOW;
    *slope = below > LEAST_SPREAD ? (l->xy_sum - l->x_sum * l->y_sum / WINDOW) / below : 0.0;
    return 1;
}

static void note_queue(Delay *d, double arrived) {
    while (d->lowest_count && d->lowest[(d->lowest_from + d->lowest_count - 1) % LOWEST].y >= d->smoothed) d->lowest_count--;
    if (d->lowest_count == LOWEST) d->lowest_from = (d->lowest_from + 1) % LOWEST, d->lowest_count--;
    d->lowest[(d->lowest_from + d->lowest_count++) % LOWEST] = (Point){arrived, d->smoothed};
    while (d->lowest[d->lowest_from].x < arrived - 10.0) d->lowest_from = (d->lowest_from + 1) % LOWEST, d->lowest_count--;
    d->queue_ms = d->smoothed - d->lowest[d->lowest_from].y;
}

static void adapt(Delay *d, double trend, double arrived) {
    double passed_ms = d->has_updated ? (arrived - d->updated) * 1000 : 0.0;
    if (passed_ms > 100.0) passed_ms = 100.0;
    d->updated = arrived, d->has_updated = 1;
    if (trend > d->threshold + OUTLIER_MS) return;
    double gain = trend < d->threshold ? FALL : RISE;
    double threshold = d->threshold + gain * (trend - d->threshold) * passed_ms;
    if (threshold < THRESHOLD_MIN_MS) threshold = THRESHOLD_MIN_MS;
    d->threshold = threshold > THRESHOLD_MAX_MS ? THRESHOLD_MAX_MS : threshold;
}

static void detect(Delay *d, double slope, double send_gap, double arrived) {
    if (d->count < 2) return;
    double trend = (d->count < GAIN_SAMPLES ? d->count : GAIN_SAMPLES) * slope * GAIN;
    if (trend > d->threshold) {
        d->over_s = d->over_s < 0 ? send_gap / 2 : d->over_s + send_gap;
        d->over_count++;
        if (d->over_s > OVERUSE_S && d->over_count > 1 && slope >= d->slope)
            d->over_s = 0, d->over_count = 0, d->usage = OVER;
    } else {
        d->over_s = -1.0, d->over_count = 0;
        d->usage = trend < -d->threshold ? UNDER : NORMAL;
    }
    d->slope = slope;
    adapt(d, fabs(trend), arrived);
}

static void trendline_add(Delay *d, double send_gap, double arrival_gap, double arrived) {
    if (!d->has_first) d->has_first = 1, d->first_arrival = arrived;
    if (d->count < 1000) d->count++;
    d->accumulated += (arrival_gap - send_gap) * 1000;
    d->smoothed = SMOOTHING * d->smoothed + (1 - SMOOTHING) * d->accumulated;
    note_queue(d, arrived);
    double slope = d->slope;
    line_add(&d->line, (arrived - d->first_arrival) * 1000, d->smoothed, &slope);
    detect(d, slope, send_gap, arrived);
}

static void group_begin(Delay *d, double sent, double arrived) {
    d->first_sent = d->last_sent = sent;
    d->first_arrived = d->last_arrived = arrived;
    d->open = 1;
}

static int is_burst(const Delay *d, double sent, double arrived) {
    double gap = arrived - d->last_arrived;
    return gap - (sent - d->last_sent) < 0 && gap <= BURST_S && arrived - d->first_arrived < BURST_LIMIT_S;
}

static void delay_add(Delay *d, double sent, double arrived) {
    if (!d->open) {
        group_begin(d, sent, arrived);
        return;
    }
    if (sent < d->first_sent) return;
    if (sent - d->first_sent <= GROUP_S || is_burst(d, sent, arrived)) {
        if (sent > d->last_sent) d->last_sent = sent;
        if (arrived > d->last_arrived) d->last_arrived = arrived;
        return;
    }
    double send_gap = d->last_sent - d->previous_sent, arrival_gap = d->last_arrived - d->previous_arrived;
    double group_arrived = d->last_arrived;
    int measured = d->has_previous, stepped = measured && fabs(arrival_gap - send_gap) > CLOCK_STEP_S;
    d->has_previous = !stepped;
    d->previous_sent = d->last_sent, d->previous_arrived = d->last_arrived;
    group_begin(d, sent, arrived);
    if (measured && !stepped) trendline_add(d, send_gap, arrival_gap, group_arrived);
}

/* ---- history.SendHistory, and all together ---- */

enum { SLOTS = 4096, MASK = SLOTS - 1, TICKS_PER_S = 4000 };
enum State { FREE, SENT, LOST };
static const double OUTAGE_S = 0.4;
static const long long WRAP_TICKS = (1LL << 24) * REFERENCE_TICKS;

typedef struct {
    double at;
    uint32_t size;
    unsigned state : 2, cluster : 30;
} Packet;

/* What one feedback, or a few quiet ones, told. */
typedef struct {
    long received, lost, size, run, run_bytes;
    long long newest_number;
    double newest, run_from, came, least; /* least: from sending to telling of the newest */
    int outage;
    unsigned count; /* number of the last */
    long feedbacks;
} Outcome;

typedef struct {
    PyObject_HEAD
    long long next_number, sent_bytes, probing, awaited, reference;
    double last_sent, unanswered, told_sent;
    int has_sent, has_unanswered, has_reference, has_count;
    unsigned count; /* number of the last feedback */
    char calm;
    Outcome pending; /* of quiet feedback that was not told yet; feedbacks is 0 when there is none */
    Rate arrived, offered;
    Delay delay;
    Packet packets[SLOTS];
} Meter;

static PyObject *usages[3], *base_name, *count_name, *arrivals_name;

static double quiet_s, quiet_queue_ms;

/* bind_meter(NORMAL, OVER, UNDER, QUIET_S, QUEUE_MS): what a summary says of the delay, and what is quiet. */
PyObject *bind_meter(PyObject *self, PyObject *args) {
    PyObject *fresh[3];
    (void)self;
    if (!PyArg_ParseTuple(args, "OOOdd", &fresh[0], &fresh[1], &fresh[2], &quiet_s, &quiet_queue_ms)) return NULL;
    for (int i = 0; i < 3; i++) Py_XSETREF(usages[i], Py_NewRef(fresh[i]));
    if (!base_name && !(base_name = PyUnicode_InternFromString("base"))) return NULL;
    if (!count_name && !(count_name = PyUnicode_InternFromString("count"))) return NULL;
    if (!arrivals_name && !(arrivals_name = PyUnicode_InternFromString("arrivals"))) return NULL;
    Py_RETURN_NONE;
}

static PyObject *meter_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    if (!usages[0]) return PyErr_SetString(PyExc_RuntimeError, "call bind_meter() first"), NULL;
    if (!PyArg_ParseTuple(args, "") || (keywords && PyDict_GET_SIZE(keywords)))
        return PyErr_SetString(PyExc_TypeError, "Meter()"), NULL;
    Meter *m = (Meter *)type->tp_alloc(type, 0); /* zeroed */
    if (!m) return NULL;
    m->next_number = 1;
    delay_reset(&m->delay);
    return (PyObject *)m;
}

/* Asks ahead for where the next packet is noted. */
void meter_ahead(PyObject *meter) { __builtin_prefetch(&((Meter *)meter)->packets[((Meter *)meter)->next_number & MASK], 1); }

int meter_is_probing(PyObject *meter) { return ((Meter *)meter)->probing != 0; }
int meter_is_calm(PyObject *meter) { return ((Meter *)meter)->calm; }

unsigned meter_sent(PyObject *meter, long size, double now) {
    Meter *m = (Meter *)meter;
    long long number = m->next_number++;
    if (!m->has_unanswered) m->has_unanswered = 1, m->unanswered = now;
    m->packets[number & MASK] = (Packet){now, (uint32_t)size, SENT, (unsigned)(m->probing & 0x3fffffff)};
    m->sent_bytes += size;
    m->last_sent = now, m->has_sent = 1;
    return (unsigned)(number & 0xffff);
}

/* sent(size, now): the number to write. */
static PyObject *sent(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    if (count != 2) return PyErr_SetString(PyExc_TypeError, "sent(size, now)"), NULL;
    long size = PyLong_AsLong(args[0]);
    double now = PyFloat_AsDouble(args[1]);
    if (PyErr_Occurred()) return NULL;
    if (size < 0 || size > 65535) return PyErr_SetString(PyExc_ValueError, "no packet is so large"), NULL;
    return PyLong_FromUnsignedLong(meter_sent(self, size, now));
}

/* Seconds of the receiver's clock without its wrap. */
static double unwrapped(Meter *m, long long ticks) {
    if (!m->has_reference) m->has_reference = 1, m->reference = ticks;
    long long half = WRAP_TICKS / 2, step = (ticks - m->reference + half) % WRAP_TICKS;
    m->reference += (step < 0 ? step + WRAP_TICKS : step) - half;
    return (double)m->reference / TICKS_PER_S;
}

static void end_run(Outcome *o) {
    if (o->run && o->newest - o->run_from > OUTAGE_S) o->outage = 1;
    else if (o->run) o->lost += o->run, o->size += o->run_bytes;
    o->run = o->run_bytes = 0;
}

/* One status of feedback; `ticks` counts only when it `came`. 0 with an exception. */
static int take_one(Meter *m, Outcome *o, long long number, int came, long long ticks, long long probe, PyObject *probed) {
    if (number < 1 || number < m->next_number - SLOTS || number >= m->next_number) return 1;
    Packet *p = &m->packets[number & MASK];
    if (p->state == FREE || (p->state == LOST && !came)) return 1;
    o->newest = p->at, o->newest_number = number;
    if (!came) {
        p->state = LOST;
        if (!o->run) o->run_from = p->at;
        o->run++;
        o->run_bytes += p->size;
        return 1;
    }
    end_run(o);
    if (p->state == LOST) o->lost--;
    else o->size += p->size;
    p->state = FREE;
    o->received++;
    double arrived = unwrapped(m, ticks);
    rate_add(&m->arrived, arrived, p->size);
    delay_add(&m->delay, p->at, arrived);
    if (!p->cluster || p->cluster != probe) return 1;
    PyObject *item = Py_BuildValue("(dI)", arrived, (unsigned)p->size);
    int done = item && PyList_Append(probed, item) == 0;
    Py_XDECREF(item);
    return done;
}

/* The packet that a number of 16 bit names: the one nearest to the last that was sent. */
static long long first_of(const Meter *m, long long base) {
    long long reference = m->next_number - 1;
    return reference + (((base & 0xffff) - reference + 0x8000) & 0xffff) - 0x8000;
}

/* (number of the last feedback, meter.Summary, when it came) appended to `told`; 0 with an exception. */
static int tell(const Outcome *o, enum Usage usage, PyObject *probed, PyObject *told) {
    PyObject *newest = o->newest_number ? PyFloat_FromDouble(o->newest) : Py_NewRef(Py_None);
    PyObject *made = newest ? Py_BuildValue("(I(lllLNOOOld)d)", o->count, o->received, o->lost, o->size, o->newest_number, newest,
                                            o->outage ? Py_True : Py_False, usages[usage], probed, o->feedbacks, o->least,
                                            o->came)
                            : NULL;
    int good = made && !PyList_Append(told, made);
    Py_XDECREF(made);
    return good;
}

static int settle_into(Meter *m, PyObject *told) {
    if (!m->pending.feedbacks) return 1;
    PyObject *none = PyList_New(0);
    int good = none && tell(&m->pending, NORMAL, none, told);
    Py_XDECREF(none);
    if (m->pending.newest > m->told_sent) m->told_sent = m->pending.newest;
    m->pending.feedbacks = 0;
    return good;
}

/* After its last status: tells what is to be told, as Meter.take does. 1 when it was quiet, 0 when not, -1 with an
 * exception. */
static int conclude(Meter *m, Outcome *o, unsigned count, double now, PyObject *probed, PyObject *told) {
    int follows = m->has_count && count == ((m->count + 1) & 0xff);
    m->has_count = 1, m->count = count;
    end_run(o);
    m->has_unanswered = 0;
    if (o->newest_number) rate_add(&m->offered, o->newest, (double)o->size);
    o->count = count, o->feedbacks = 1, o->came = now, o->least = o->newest_number ? now - o->newest : 0;
    int even = m->delay.usage == NORMAL && m->delay.queue_ms <= quiet_queue_ms;
    if (!(m->calm && follows && even && o->received && !(o->lost || o->outage || m->awaited))) {
        if (o->newest_number) m->told_sent = o->newest;
        return settle_into(m, told) && tell(o, m->delay.usage, probed, told) ? 0 : -1;
    }
    if (m->pending.feedbacks) {
        o->received += m->pending.received, o->size += m->pending.size, o->feedbacks += m->pending.feedbacks;
        if (m->pending.least < o->least) o->least = m->pending.least;
    }
    m->pending = *o;
    return o->newest - m->told_sent < quiet_s || settle_into(m, told) ? 1 : -1;
}

static int take_all(Meter *m, Outcome *o, long long base, PyObject *arrivals, PyObject *probed) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(arrivals); i++) {
        PyObject *item = PyTuple_GET_ITEM(arrivals, i);
        long long ticks = item == Py_None ? 0 : PyLong_AsLongLong(item);
        if (ticks == -1 && PyErr_Occurred()) return 0;
        if (ticks > 1LL << 48 || ticks < -(1LL << 48)) return PyErr_SetString(PyExc_ValueError, "no such time"), 0;
        if (!take_one(m, o, base + i, item != Py_None, ticks, m->awaited, probed)) return 0;
    }
    return 1;
}

/* take(feedback, now): what the owner is to be told. */
static PyObject *take(PyObject *self, PyObject *const *args, Py_ssize_t size) {
    Meter *m = (Meter *)self;
    Outcome o = {0};
    PyObject *number, *arrivals = NULL, *probed = NULL, *told = NULL;
    if (size != 2) return PyErr_SetString(PyExc_TypeError, "take(feedback, now)"), NULL;
    double now = PyFloat_AsDouble(args[1]);
    if (now == -1 && PyErr_Occurred()) return NULL;
    long long base = 0, count = 0;
    if (!(number = PyObject_GetAttr(args[0], base_name))) return NULL;
    base = PyLong_AsLongLong(number);
    Py_DECREF(number);
    if (base == -1 && PyErr_Occurred()) return NULL;
    if (!(number = PyObject_GetAttr(args[0], count_name))) return NULL;
    count = PyLong_AsLongLong(number);
    Py_DECREF(number);
    if (count == -1 && PyErr_Occurred()) return NULL;
    if (!(arrivals = PyObject_GetAttr(args[0], arrivals_name))) return NULL;
    if (!PyTuple_Check(arrivals)) PyErr_SetString(PyExc_TypeError, "arrivals are a tuple");
    else probed = PyList_New(0), told = PyList_New(0);
    if (!probed || !told || !take_all(m, &o, first_of(m, base), arrivals, probed) ||
        conclude(m, &o, (unsigned)(count & 0xff), now, probed, told) < 0)
        Py_CLEAR(told);
    Py_XDECREF(probed);
    Py_DECREF(arrivals);
    return told;
}

/* settle(): what was summed up and not told. */
static PyObject *settle(PyObject *self, PyObject *none) {
    (void)none;
    PyObject *told = PyList_New(0);
    if (told && !settle_into((Meter *)self, told)) Py_CLEAR(told);
    return told;
}

/* For told.c: the body of a feedback, as `transport_feedback.read` and `take` together; what is to be told goes to `told`.
 * 1 when it was quiet, 0 when not; -1 with an exception, or without one, and nothing changed, when it is malformed. */
int meter_take(PyObject *meter, const uint8_t *body, Py_ssize_t size, double now, PyObject *told) {
    Meter *m = (Meter *)meter;
    Outcome o = {0};
    if (!read_body(body, size, &feedback)) return -1;
    PyObject *probed = PyList_New(0);
    int good = probed != NULL;
    long long first = first_of(m, feedback.base);
    for (int i = 0; good && i < feedback.total; i++)
        good = take_one(m, &o, first + i, feedback.symbols[i] != 0, feedback.ticks[i], m->awaited, probed);
    int quiet = good ? conclude(m, &o, feedback.count, now, probed, told) : -1;
    Py_XDECREF(probed);
    return quiet;
}

static PyObject *arrived_bps(PyObject *self, PyObject *none) { return (void)none, rate_bps(&((Meter *)self)->arrived); }
static PyObject *offered_bps(PyObject *self, PyObject *none) { return (void)none, rate_bps(&((Meter *)self)->offered); }

static PyObject *restart(PyObject *self, PyObject *none) {
    Meter *m = (Meter *)self;
    (void)none;
    delay_reset(&m->delay);
    memset(&m->arrived, 0, sizeof m->arrived);
    memset(&m->offered, 0, sizeof m->offered);
    Py_RETURN_NONE;
}

static PyObject *time_or_none(int has, double at) { return has ? PyFloat_FromDouble(at) : Py_NewRef(Py_None); }

static PyObject *last_sent_s(PyObject *self, void *closure) {
    (void)closure;
    return time_or_none(((Meter *)self)->has_sent, ((Meter *)self)->last_sent);
}

static PyObject *unanswered_s(PyObject *self, void *closure) {
    (void)closure;
    return time_or_none(((Meter *)self)->has_unanswered, ((Meter *)self)->unanswered);
}

static PyMethodDef meter_methods[] = {
    {"sent", (PyCFunction)(void (*)(void))sent, METH_FASTCALL, "sent(size, now): the number to write"},
    {"take", (PyCFunction)(void (*)(void))take, METH_FASTCALL, "take(feedback, now): what the owner is to be told"},
    {"settle", settle, METH_NOARGS, "What was summed up and not told"},
    {"arrived_bps", arrived_bps, METH_NOARGS, "Rate that arrived lately, or None"},
    {"offered_bps", offered_bps, METH_NOARGS, "Rate of sending of what was reported lately, or None"},
    {"restart", restart, METH_NOARGS, "Delay and rates begin anew"},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef meter_members[] = {
    {"next_number", T_LONGLONG, offsetof(Meter, next_number), 0, NULL},
    {"probing", T_LONGLONG, offsetof(Meter, probing), 0, NULL},
    {"awaited", T_LONGLONG, offsetof(Meter, awaited), 0, NULL},
    {"calm", T_BOOL, offsetof(Meter, calm), 0, NULL},
    {"sent_bytes", T_LONGLONG, offsetof(Meter, sent_bytes), READONLY, NULL},
    {"queue_ms", T_DOUBLE, offsetof(Meter, delay) + offsetof(Delay, queue_ms), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef meter_times[] = {
    {"last_sent_s", last_sent_s, NULL, NULL, NULL},
    {"unanswered_s", unanswered_s, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject MeterType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "mediaserver.native._batch.Meter",
    .tp_doc = "See mediaserver/sfu/bandwidth/meter.py.",
    .tp_basicsize = sizeof(Meter),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = meter_new,
    .tp_methods = meter_methods,
    .tp_members = meter_members,
    .tp_getset = meter_times,
};
