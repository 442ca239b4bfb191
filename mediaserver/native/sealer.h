/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIDEOHOME_SEALER_H
#define VIDEOHOME_SEALER_H
#include <Python.h>
#include <stdint.h>

enum { SEAL_BYTES = 16 }; /* what a sealed packet is longer by */

extern PyTypeObject SealerType;

PyObject *use_cipher(PyObject *self, PyObject *args);
int seal(PyObject *sealer, uint8_t *packet, int size);
void sealer_ahead(PyObject *sealer);
void *sealer_session(PyObject *sealer);
#endif
