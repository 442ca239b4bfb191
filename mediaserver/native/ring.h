/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIDEOHOME_RING_H
#define VIDEOHOME_RING_H
#include <Python.h>
#include <stdint.h>

extern PyTypeObject RingType, TapeType;

PyObject *bind_ring(PyObject *self, PyObject *args);
PyObject *tape_packet(PyObject *self, PyObject *const *args, Py_ssize_t count);
int tape_runs(PyObject *tape);
int tape_keep(PyObject *tape, const uint8_t *packet, long size, double now);
#endif
