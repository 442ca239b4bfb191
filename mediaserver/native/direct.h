/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIDEOHOME_DIRECT_H
#define VIDEOHOME_DIRECT_H
#include <Python.h>

int direct_add(PyObject *stored, PyObject *downlinks, PyObject *receivers);
int direct_hand_out(PyObject *routes, double now, PyObject *fresh);
int direct_jobs(void);
void direct_send(void);
void direct_forget(void);
#endif
