/* SPDX-License-Identifier: Apache-2.0
 *
 * What a batch brought, receiver by receiver, from the packet that all share straight to the socket: what `fan_out` and
 * `outgoing` do packet by packet, for the receivers that simply get it. Whatever else there is to decide about a receiver,
 * it gets the rest of the batch by those two, as objects.
 *
 * A wake-up finds all caches cold: what costs is how many of a receiver's lines are touched, and waiting for one after the
 * other. So each receiver is looked at once for a batch, and what will be looked at next is asked for ahead.
 */
#define PY_SSIZE_T_CLEAN
#include "direct.h"
#include "fanout.h"
#include "meter.h"
#include "outgoing.h"
#include "sealer.h"
#include "sender.h"
#include "slots.h"

enum { PACKETS = 64, JOBS = 512, ABREAST = 32 };

/* Packets of one stream that one after the other came for the same receivers. */
typedef struct {
    PyObject *downlinks, *receivers; /* held */
    int from, end;                   /* of `packets` */
} Group;

/* What one receiver gets of a group. */
typedef struct {
    Target target;
    Numbers numbers;
    int from, end;
    long long wide; /* transport-wide number of its first packet that has one */
} Job;

static PyObject *stored[PACKETS]; /* held */
static Shared packets[PACKETS];
static Group groups[PACKETS];
static Job jobs[JOBS];
static int packet_count, group_count, job_count;

/* Keeps a packet for `direct_hand_out`; 0 with an exception. There is room for one batch. */
int direct_add(PyObject *packet, PyObject *downlinks, PyObject *receivers) {
    if (packet_count == PACKETS) return PyErr_SetString(PyExc_RuntimeError, "more than a batch"), 0;
    if (!fanout_read(packet, &packets[packet_count])) return 0;
    Group *group = group_count ? &groups[group_count - 1] : NULL;
    if (!group || group->downlinks != downlinks || group->receivers != receivers) {
        group = &groups[group_count++];
        *group = (Group){Py_NewRef(downlinks), Py_NewRef(receivers), packet_count, packet_count};
    }
    stored[packet_count++] = Py_NewRef(packet);
    group->end = packet_count;
    return 1;
}

/* Lets go of all that was kept. */
void direct_forget(void) {
    for (int i = 0; i < group_count; i++) {
        Py_CLEAR(groups[i].downlinks);
        Py_CLEAR(groups[i].receivers);
    }
    for (int i = 0; i < packet_count; i++) Py_CLEAR(stored[i]);
    packet_count = group_count = job_count = 0;
}

/* A receiver, and what was found for it; all borrowed. */
typedef struct {
    PyObject *downlink, *receiver, *route;
} Found;

/* Finds some of a group's receivers, and asks ahead for what `take` will look at; 0 with an exception. */
static int find(const Group *group, Py_ssize_t from, int count, PyObject *routes, Found *found) {
    for (int i = 0; i < count; i++) {
        found[i].downlink = PyTuple_GET_ITEM(group->downlinks, from + i);
        if (!fanout_is_downlink(found[i].downlink)) return PyErr_SetString(PyExc_TypeError, "not a Downlink"), 0;
        fanout_ahead(found[i].downlink);
    }
    for (int i = 0; i < count; i++) fanout_ahead_parts(found[i].downlink);
    for (int i = 0; i < count; i++) {
        PyObject *id = fanout_transport(found[i].downlink);
        found[i].receiver = id ? PyDict_GetItemWithError(group->receivers, id) : NULL;
        found[i].route = found[i].receiver ? PyDict_GetItemWithError(routes, id) : NULL;
        if (PyErr_Occurred()) return 0;
        fanout_ahead_numbers(found[i].downlink);
        if (found[i].route) outgoing_ahead(found[i].receiver), ahead(found[i].route, 40);
    }
    for (int i = 0; i < count; i++)
        if (found[i].route) outgoing_ahead_parts(found[i].receiver), sender_ahead(found[i].route);
    for (int i = 0; i < count; i++)
        if (found[i].route) outgoing_ahead_numbers(found[i].receiver), sender_ahead_keys(found[i].route);
    return 1;
}

/* How many of a group's packets simply pass to a receiver; they are counted and numbered, and `job` says how to write
 * them. -1 with an exception. */
static int take(const Group *group, const Found *found, double now, Job *job) {
    Bucket bucket;
    if (!found->route || !outgoing_open(found->receiver, &bucket)) return 0;
    int there = sender_route(found->route, &job->target);
    if (there <= 0) return there;
    if (!fanout_numbers(found->downlink, &job->numbers)) return -1;
    long long bytes = 0, unused;
    long numbered = 0;
    int i = group->from;
    for (; i < group->end; i++) {
        const Shared *s = &packets[i];
        if (!fanout_in_order(&job->numbers, s) || !outgoing_passes(&bucket, (long)s->size, now)) break;
        job->numbers.highest = s->extended;
        bytes += s->size;
        if (s->bytes[NUMBERED_AT]) {
            long long number = meter_sent(bucket.meter, (long)s->size, now);
            if (!numbered++) job->wide = number;
        }
    }
    job->from = group->from, job->end = i;
    if (i == group->from) return 0;
    if (!outgoing_close(&bucket)) return -1;
    return fanout_note(found->downlink, &packets[i - 1], i - group->from, bytes, numbered, &unused) ? i - group->from : -1;
}

/* What some receivers get of a group; 0 with an exception. Python is asked only when nothing borrowed is used any more. */
static int hand_to(const Group *group, Py_ssize_t from, int count, PyObject *routes, double now, PyObject *fresh) {
    Found found[ABREAST];
    int passed[ABREAST] = {0}, alone = PyList_GET_SIZE(fresh) > 0; /* what waits there came before */
    if (!find(group, from, count, routes, found)) return 0;
    for (int d = 0; d < count && !alone && job_count < JOBS; d++) {
        if ((passed[d] = take(group, &found[d], now, &jobs[job_count])) < 0) return 0;
        if (passed[d]) job_count++;
    }
    for (int d = 0; d < count; d++)
        for (int i = group->from + passed[d]; i < group->end; i++)
            if (!fanout_one(fresh, PyTuple_GET_ITEM(group->downlinks, from + d), &packets[i])) return 0;
    return 1;
}

/* What receivers get of the packets that were kept: a job for each that simply gets them, as far as there is room, and
 * copies in `fresh` of all else. 0 with an exception. */
int direct_hand_out(PyObject *routes, double now, PyObject *fresh) {
    for (const Group *group = groups; group < groups + group_count; group++) {
        Py_ssize_t all = PyTuple_GET_SIZE(group->downlinks);
        for (Py_ssize_t from = 0; from < all; from += ABREAST)
            if (!hand_to(group, from, all - from < ABREAST ? (int)(all - from) : ABREAST, routes, now, fresh)) return 0;
    }
    return 1;
}

int direct_jobs(void) { return job_count; }

/* Writes, protects and sends; no lock of the interpreter is needed. */
void direct_send(void) {
    for (const Job *job = jobs; job < jobs + job_count; job++) {
        long long wide = job->wide;
        Run run;
        sender_open(&run, &job->target);
        for (int i = job->from; i < job->end; i++) {
            const Shared *s = &packets[i];
            uint8_t *at = sender_room(&run, (int)s->size);
            fanout_write(at, s, &job->numbers, wide);
            if (s->bytes[NUMBERED_AT]) wide++;
            sender_take(&run, at, (int)s->size, 0);
        }
        sender_close(&run);
    }
    job_count = 0;
}
