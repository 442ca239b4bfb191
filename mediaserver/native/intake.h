/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIDEOHOME_INTAKE_H
#define VIDEOHOME_INTAKE_H
#include <Python.h>
#include <stdint.h>

/* What is to be known of a packet before anything else; `wide` is its transport-wide number, -1 without one. */
typedef struct {
    unsigned number;
    unsigned long timestamp, ssrc;
    int payload_type;
    long wide;
} Brief;

int intake_brief(const uint8_t *bytes, long size, long number_id, Brief *brief);
PyObject *intake_keep(const uint8_t *bytes, long size, PyObject *ids, long level_id, long descriptor_id, PyObject *extended,
                      PyObject *now_object, double now, int payload_type, int numbered, int reader, long *level,
                      long *temporal, int *described);
long stored_bytes(PyObject *stored);

PyObject *bind_intake(PyObject *self, PyObject *args);
PyObject *read_received(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *store_received(PyObject *self, PyObject *const *args, Py_ssize_t count);
#endif
