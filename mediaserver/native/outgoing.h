/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIDEOHOME_OUTGOING_H
#define VIDEOHOME_OUTGOING_H
#include <Python.h>

extern unsigned long outgoing_decisions; /* how often Python was asked */

/* How full a receiver's bucket is; borrowed from the Receiver. */
typedef struct {
    PyObject *pacer, *meter;
    double full_until, byte_s;
} Bucket;

void outgoing_ahead(PyObject *receiver);
void outgoing_ahead_parts(PyObject *receiver);
void outgoing_ahead_numbers(PyObject *receiver);
int outgoing_open(PyObject *receiver, Bucket *bucket);
int outgoing_passes(Bucket *bucket, long size, double now);
int outgoing_close(const Bucket *bucket);

PyObject *bind_outgoing(PyObject *self, PyObject *args);
PyObject *outgoing(PyObject *self, PyObject *const *args, Py_ssize_t count);
#endif
