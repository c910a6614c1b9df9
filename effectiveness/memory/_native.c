/* The memory's index and its reader. One module by the stable interface of Python 3.11, so one build serves every later one.
 * native/base.h says why the same bytes come out on every machine. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include "native/python_reader.h"

static PyMethodDef functions[] = {
    {"suffix_order", py_suffix_order, METH_VARARGS, "suffix_order(ids, width, vocabulary, starts, places) -> number of places"},
    {"hash_places", py_hash_places, METH_VARARGS, "hash_places(ids, width, bytes, offsets, contexts, bucket_bits, symbols, keys) -> number of places"},
    {"sort_keys", py_sort_keys, METH_VARARGS, "sort_keys(keys, spare, bits)"},
    {"put_groups", py_put_groups, METH_VARARGS, "put_groups(keys, bucket_bits, buckets, units) -> units used"},
    {"grow_tree", py_grow_tree, METH_VARARGS, "grow_tree(cells, columns, weight, shrink, mass, seen, unseen, seed, nodes, rank)"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "effectiveness.memory._native", NULL, -1, functions, NULL, NULL, NULL, NULL};

static int add_type(PyObject *m, PyType_Spec *spec, const char *name, PyTypeObject **kept) {
    PyObject *type = PyType_FromSpec(spec);
    if (!type) return -1;
    if (kept) *kept = (PyTypeObject *)Py_NewRef(type);
    int failed = PyModule_AddObjectRef(m, name, type);
    Py_DECREF(type);
    return failed;
}

PyMODINIT_FUNC PyInit__native(void) {
    contexts_init();
    mixer_init();
    PyObject *m = PyModule_Create(&module);
    if (!m) return NULL;
    if (add_type(m, &index_spec, "Index", &index_type) || add_type(m, &reader_spec, "Reader", NULL) ||
        PyModule_AddIntConstant(m, "NUM_CONTEXTS", NUM_CONTEXTS) || PyModule_AddIntConstant(m, "NUM_ORDERS", NUM_ORDERS) ||
        PyModule_AddIntConstant(m, "HASH_BITS_IN_HEAD", HASH_BITS_IN_HEAD) || PyModule_AddIntConstant(m, "RARE", RARE) ||
        PyModule_AddIntConstant(m, "LEARNED_BYTES", sizeof(Learned))) {
        Py_DECREF(m);
        return NULL;
    }
    return m;
}
