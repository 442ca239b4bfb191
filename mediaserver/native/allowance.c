/* SPDX-License-Identifier: Apache-2.0
 *
 * `mediaserver/sfu/allowance.py` in C: the same sums in the same order, so that both refuse the same packets.
 */
#define PY_SSIZE_T_CLEAN
#include "allowance.h"
#include <stddef.h>
#include <structmember.h>

typedef struct {
    PyObject_HEAD
    double packets, bytes, packets_per_s, bytes_per_s, at;
    long long refused;
} Allowance;

static double burst_s = 1;

/* bind_allowance(BURST_S): how many seconds' worth a full bucket holds. */
PyObject *bind_allowance(PyObject *self, PyObject *wanted) {
    double fresh = PyFloat_AsDouble(wanted);
    (void)self;
    if (fresh == -1 && PyErr_Occurred()) return NULL;
    if (!(fresh > 0)) return PyErr_SetString(PyExc_ValueError, "a bucket holds more than nothing"), NULL;
    burst_s = fresh;
    Py_RETURN_NONE;
}

static PyObject *allowance_new(PyTypeObject *type, PyObject *args, PyObject *names) {
    double packets_per_s, bits_per_s;
    (void)names;
    if (!PyArg_ParseTuple(args, "dd", &packets_per_s, &bits_per_s)) return NULL;
    Allowance *a = (Allowance *)type->tp_alloc(type, 0);
    if (!a) return NULL;
    a->packets_per_s = packets_per_s, a->bytes_per_s = bits_per_s / 8;
    a->packets = a->packets_per_s * burst_s, a->bytes = a->bytes_per_s * burst_s;
    return (PyObject *)a;
}

static double filled(double held, double per_s, double elapsed) {
    double more = held + elapsed * per_s, full = per_s * burst_s;
    return full < more ? full : more;
}

static void fill(Allowance *a, double now) {
    double elapsed = now - a->at;
    if (elapsed <= 0) return;
    a->at = now;
    a->packets = filled(a->packets, a->packets_per_s, elapsed);
    a->bytes = filled(a->bytes, a->bytes_per_s, elapsed);
}

/* For relay.c: whether `take` would say yes; 0 also for what is no bucket of ours. Filling it is no change: `take` would do
 * the same first. */
int allowance_would_take(PyObject *bucket, long size, double now) {
    if (!bucket || !Py_IS_TYPE(bucket, &AllowanceType)) return 0;
    Allowance *a = (Allowance *)bucket;
    fill(a, now);
    return a->packets >= 1 && a->bytes >= (double)size;
}

/* After allowance_would_take. */
void allowance_pay(PyObject *bucket, long size, double now) {
    Allowance *a = (Allowance *)bucket;
    (void)now;
    a->packets -= 1, a->bytes -= (double)size;
}

/* take(size, now): True when a packet may pass; it is then paid for. */
static PyObject *take(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    Allowance *a = (Allowance *)self;
    if (count != 2) return PyErr_SetString(PyExc_TypeError, "take(size, now)"), NULL;
    double size = PyFloat_AsDouble(args[0]), now = PyFloat_AsDouble(args[1]);
    if ((size == -1 || now == -1) && PyErr_Occurred()) return NULL;
    fill(a, now);
    if (a->packets < 1 || a->bytes < size) {
        a->refused++;
        Py_RETURN_FALSE;
    }
    a->packets -= 1, a->bytes -= size;
    Py_RETURN_TRUE;
}

static PyMethodDef allowance_methods[] = {
    {"take", (PyCFunction)(void (*)(void))take, METH_FASTCALL, "take(size, now): True when a packet may pass"},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef allowance_members[] = {
    {"refused", T_LONGLONG, offsetof(Allowance, refused), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyTypeObject AllowanceType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "mediaserver.native._batch.Allowance",
    .tp_doc = "See mediaserver/sfu/allowance.py.",
    .tp_basicsize = sizeof(Allowance),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = allowance_new,
    .tp_methods = allowance_methods,
    .tp_members = allowance_members,
};
