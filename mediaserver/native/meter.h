/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIDEOHOME_METER_H
#define VIDEOHOME_METER_H
#include <Python.h>
#include <stdint.h>

extern PyTypeObject MeterType;

PyObject *bind_meter(PyObject *self, PyObject *args);
PyObject *read_feedback(PyObject *self, PyObject *body);
void meter_ahead(PyObject *meter);
int meter_is_probing(PyObject *meter);
int meter_is_calm(PyObject *meter);
int meter_take(PyObject *meter, const uint8_t *body, Py_ssize_t size, double now, PyObject *told);
unsigned meter_sent(PyObject *meter, long size, double now);
#endif
