/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIDEOHOME_FANOUT_H
#define VIDEOHOME_FANOUT_H
#include <Python.h>
#include <stdint.h>

enum { NUMBERED_AT = 17, TWCC_AT = 18 }; /* as stored.py says */

/* What all receivers of one packet share: the fields of a Stored, which it borrows from. */
typedef struct {
    PyObject *stored, *extended_object;
    const uint8_t *bytes;
    Py_ssize_t size;
    long long extended, timestamp, temporal, spatial;
    long long picture, picture_bits, picture_at, tl0, tl0_at, key_index, key_index_at, frame_number, frame_at;
    int ends_layer;
} Shared;

/* Of one receiver: what it has and gets at most, and what is added to a packet's numbers for it. */
typedef struct {
    long long highest, temporal, spatial, ssrc, offset, timestamp, picture, tl0, key_index, frame;
    int shifted;
} Numbers;

void fanout_ahead(PyObject *downlink);
void fanout_ahead_parts(PyObject *downlink);
void fanout_ahead_numbers(PyObject *downlink);
int fanout_read(PyObject *stored, Shared *s);
int fanout_is_downlink(PyObject *object);
PyObject *fanout_transport(PyObject *downlink);
int fanout_numbers(PyObject *downlink, Numbers *n);
int fanout_in_order(const Numbers *n, const Shared *s);
void fanout_write(uint8_t *copy, const Shared *s, const Numbers *n, long long wide);
int fanout_note(PyObject *downlink, const Shared *last, long packets, long long bytes, long numbered, long long *wide);
int fanout_one(PyObject *out, PyObject *downlink, const Shared *s);

PyObject *bind_fanout(PyObject *self, PyObject *args);
PyObject *fan_out(PyObject *self, PyObject *const *args, Py_ssize_t count);
#endif
