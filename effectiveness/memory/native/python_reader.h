/* Python's view of a reader. A reader belongs to one thread at a time: a second one gets an error, not a race. */
#ifndef MEMORY_PYTHON_READER_H
#define MEMORY_PYTHON_READER_H

#include "python_index.h"

typedef struct {
    PyObject_HEAD
    Reader r;
    IndexObject *owner;
    Py_buffer gap_buffer, run_buffers[2 * MAX_RUNS];
    Run runs[MAX_RUNS];
    int num_run_buffers, has_gaps, busy;
} ReaderObject;

static int begin_use(ReaderObject *o) {
    if (o->busy || !o->owner) {
        PyErr_SetString(PyExc_RuntimeError, o->busy ? "this reader is in use by another thread" : "this reader was not opened");
        return 0;
    }
    o->busy = 1;
    return 1;
}

static PyObject *end_use(ReaderObject *o, PyObject *result) {
    o->busy = 0;
    if (o->r.out_of_memory) {
        o->r.out_of_memory = 0;
        Py_XDECREF(result);
        return PyErr_NoMemory();
    }
    return result;
}

static void release_runs(ReaderObject *o) {
    for (int k = 0; k < o->num_run_buffers; k++) PyBuffer_Release(&o->run_buffers[k]);
    if (o->has_gaps) PyBuffer_Release(&o->gap_buffer);
    o->num_run_buffers = o->has_gaps = o->r.num_runs = 0;
    o->r.gaps.num = 0;
}

/* runs: sequence of (sign, keys, offsets); gaps: intervals of the text, in order. */
static int set_sources(ReaderObject *o, PyObject *gaps, PyObject *runs) {
    Py_ssize_t num = PySequence_Size(runs);
    if (num < 0 || num > MAX_RUNS) {
        if (!PyErr_Occurred()) PyErr_Format(PyExc_ValueError, "at most %d runs", MAX_RUNS);
        return 0;
    }
    if (PyObject_GetBuffer(gaps, &o->gap_buffer, PyBUF_SIMPLE)) return 0;
    o->has_gaps = 1;
    if (!holds(&o->gap_buffer, (i64)o->gap_buffer.len / 16 * 2, 8, "gaps")) return 0;
    o->r.gaps = (Gaps){o->gap_buffer.buf, (i64)o->gap_buffer.len / 16};
    for (Py_ssize_t k = 0; k < num; k++) {
        PyObject *item = PySequence_GetItem(runs, k);
        Py_buffer *b = &o->run_buffers[o->num_run_buffers];
        Run *run = &o->runs[k];
        int good = item && PyArg_ParseTuple(item, "iy*y*", &run->sign, &b[0], &b[1]);
        Py_XDECREF(item);
        if (!good) return 0;
        o->num_run_buffers += 2;
        if (!holds(&b[1], NUM_CONTEXTS + 2, 8, "run offsets")) return 0;
        run->keys = b[0].buf;
        run->offsets = b[1].buf;
        for (int c = 0; good && c <= NUM_CONTEXTS; c++)
            good = run->offsets[0] == 0 && run->offsets[c] <= run->offsets[c + 1] && run->offsets[c + 1] - run->offsets[c] < 1 << 30;
        if (!good || !holds(&b[0], run->offsets[NUM_CONTEXTS + 1], 8, "run keys")) {
            if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "run offsets are out of order");
            return 0;
        }
        o->r.num_runs++;
    }
    return 1;
}

static void forget_text(ReaderObject *o) {
    Reader *r = &o->r;
    memset(&r->head, 0, sizeof r->head);
    place_reset(&r->head.place);
    memset(r->slots, 0, sizeof(u32) << SLOT_BITS);
    for (int k = 0; k < IN_FILE_MATCHES; k++) memset(r->last_seen[k], 0, sizeof(i64) * HASHED_MATCHES);
    for (int k = 0; k < NUM_FOLLOWED; k++) memset(r->followed[k], 0, sizeof(Followed) * HASHED_MATCHES);
    r->journal_size = 0;
    r->journaling = r->ready = 0;
    r->model_sums = NULL;
}

static int allocate(ReaderObject *o) {
    Reader *r = &o->r;
    r->learned = malloc(sizeof(Learned));
    r->slots = calloc((size_t)1 << SLOT_BITS, sizeof(u32));
    for (int k = 0; k < IN_FILE_MATCHES; k++) r->last_seen[k] = calloc(HASHED_MATCHES, sizeof(i64));
    for (int k = 0; k < NUM_FOLLOWED; k++) r->followed[k] = calloc(HASHED_MATCHES, sizeof(Followed));
    if (r->learned && r->slots && r->last_seen[0] && r->last_seen[1] && r->followed[0] && r->followed[1]) return 1;
    PyErr_NoMemory();
    return 0;
}

/* Reader(index, learned or None, gaps, runs) */
static int reader_init(PyObject *self, PyObject *args, PyObject *keywords) {
    ReaderObject *o = (ReaderObject *)self;
    PyObject *index, *learned, *gaps, *runs;
    if (keywords || o->owner) {
        PyErr_SetString(PyExc_TypeError, "Reader(...) takes positions only, once");
        return -1;
    }
    if (!PyArg_ParseTuple(args, "O!OOO", index_type, &index, &learned, &gaps, &runs)) return -1;
    if (!allocate(o)) return -1;
    if (learned == Py_None) {
        learned_init(o->r.learned);
    } else {
        Py_buffer b;
        if (PyObject_GetBuffer(learned, &b, PyBUF_SIMPLE)) return -1;
        int good = b.len == (Py_ssize_t)sizeof(Learned);
        if (good) memcpy(o->r.learned, b.buf, sizeof(Learned));
        PyBuffer_Release(&b);
        if (!good) {
            PyErr_Format(PyExc_ValueError, "learned weights have %zd bytes", (Py_ssize_t)sizeof(Learned));
            return -1;
        }
    }
    if (!set_sources(o, gaps, runs)) return -1;
    o->r.index = &((IndexObject *)index)->index;
    o->r.runs = o->runs;
    place_reset(&o->r.head.place);
    o->owner = (IndexObject *)Py_NewRef(index);
    return 0;
}

static void reader_dealloc(PyObject *self) {
    ReaderObject *o = (ReaderObject *)self;
    release_runs(o);
    free(o->r.learned);
    free(o->r.slots);
    free(o->r.tokens);
    free(o->r.journal);
    for (int k = 0; k < IN_FILE_MATCHES; k++) free(o->r.last_seen[k]);
    for (int k = 0; k < NUM_FOLLOWED; k++) free(o->r.followed[k]);
    Py_XDECREF((PyObject *)o->owner);
    PyTypeObject *type = Py_TYPE(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

/* restart(gaps, runs): another file, with what was learned. */
static PyObject *reader_restart(PyObject *self, PyObject *args) {
    ReaderObject *o = (ReaderObject *)self;
    PyObject *gaps, *runs;
    if (!PyArg_ParseTuple(args, "OO", &gaps, &runs) || !begin_use(o)) return NULL;
    release_runs(o);
    forget_text(o);
    return end_use(o, set_sources(o, gaps, runs) ? Py_NewRef(Py_None) : NULL);
}

/* The model's probabilities, summed in the order of ranks; NULL where they are no distribution. */
static const double *sum_model(const Index *x, const float *row, double *sums) {
    i64 v = x->spelling.num_tokens;
    for (i64 t = 0; t < v; t++) {
        if (!(row[t] >= 0 && row[t] <= 1.001f)) return NULL;
        sums[x->rank[t] + 1] = row[t];
    }
    sums[0] = 0;
    for (i64 k = 0; k < v; k++) sums[k + 1] += sums[k];
    return sums[v] > 0.99 && sums[v] < 1.01 ? sums : NULL;
}

/* Read tokens; returns how many, stopping where the model's row is no distribution or memory is out. */
static i64 read_tokens(Reader *r, const u32 *ids, i64 n, const float *model, double *sums, int mode, double *nats) {
    i64 v = r->index->spelling.num_tokens, k = 0;
    for (; k < n; k++) {
        if (!room_for_token(r)) {
            r->out_of_memory = 1;
            break;
        }
        r->model_sums = NULL;
        if (model && !(r->model_sums = sum_model(r->index, model + k * v, sums))) break;
        double p = read_token(r, ids[k], mode);
        if (nats) nats[k] = -ln_d(p);
    }
    r->model_sums = NULL;
    return k;
}

static int check_tokens(const Reader *r, const Py_buffer *ids) {
    i64 n = (i64)ids->len / 4;
    if (!holds(ids, n, 4, "ids")) return 0;
    for (i64 k = 0; k < n; k++)
        if (((const u32 *)ids->buf)[k] >= r->index->spelling.num_tokens) {
            PyErr_Format(PyExc_ValueError, "token id %u at place %lld is not in the vocabulary of %u", ((const u32 *)ids->buf)[k], (long long)k, r->index->spelling.num_tokens);
            return 0;
        }
    return 1;
}

/* feed(ids u32 [T], nats f64 [T], model f32 [T, V] or None) */
static PyObject *reader_feed(PyObject *self, PyObject *args) {
    ReaderObject *o = (ReaderObject *)self;
    Py_buffer ids, nats, model;
    PyObject *rows, *result = NULL;
    if (!PyArg_ParseTuple(args, "y*w*O", &ids, &nats, &rows)) return NULL;
    model.buf = NULL;
    if (begin_use(o)) {
        i64 n = (i64)ids.len / 4, v = o->r.index->spelling.num_tokens, done = -1;
        int good = check_tokens(&o->r, &ids) && holds(&nats, n, 8, "nats");
        if (good && rows != Py_None) good = !PyObject_GetBuffer(rows, &model, PyBUF_SIMPLE) && holds(&model, n * v, 4, "model");
        double *sums = good && model.buf ? malloc(sizeof(double) * (size_t)(v + 1)) : NULL;
        if (good && model.buf && !sums) o->r.out_of_memory = 1;
        else if (good) {
            Py_BEGIN_ALLOW_THREADS
            done = read_tokens(&o->r, ids.buf, n, model.buf, sums, LEARN_ALL, nats.buf);
            Py_END_ALLOW_THREADS
            if (done < n && !o->r.out_of_memory) PyErr_Format(PyExc_ValueError, "row %lld of the model is no distribution", (long long)done);
        }
        free(sums);
        result = end_use(o, done == n ? Py_NewRef(Py_None) : NULL);
    }
    if (model.buf) PyBuffer_Release(&model);
    PyBuffer_Release(&ids);
    PyBuffer_Release(&nats);
    return result;
}

/* Go on with the text that was at hand, behind what was observed: its last tokens once more. */
static int resume_text(Reader *r, const Head *before) {
    i64 known = before->length - before->begin, tail = known < MAX_ORDER ? known : MAX_ORDER;
    Head head = *before;
    head.begin = head.length = r->head.length;
    r->head = head;
    for (i64 k = 0; k < tail; k++) {
        if (!room_for_token(r)) return 0;
        r->tokens[r->head.length++] = r->tokens[before->length - tail + k];
    }
    r->ready = 0;
    return 1;
}

/* observe(ids): count a text that stands elsewhere in the file. */
static PyObject *reader_observe(PyObject *self, PyObject *args) {
    ReaderObject *o = (ReaderObject *)self;
    Py_buffer ids;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(args, "y*", &ids)) return NULL;
    if (begin_use(o)) {
        if (check_tokens(&o->r, &ids)) {
            Reader *r = &o->r;
            Head before = r->head;
            touch(r, &r->head, sizeof r->head);
            place_reset(&r->head.place);
            r->head.begin = r->head.length;
            memset(r->head.match_length, 0, sizeof r->head.match_length);
            r->ready = 0;
            Py_BEGIN_ALLOW_THREADS
            read_tokens(r, ids.buf, (i64)ids.len / 4, NULL, NULL, COUNT_ONLY, NULL);
            if (!resume_text(r, &before)) r->out_of_memory = 1;
            Py_END_ALLOW_THREADS
            result = Py_NewRef(Py_None);
        }
        result = end_use(o, result);
    }
    PyBuffer_Release(&ids);
    return result;
}

/* skim(ids): read on, counting only. */
static PyObject *reader_skim(PyObject *self, PyObject *args) {
    ReaderObject *o = (ReaderObject *)self;
    Py_buffer ids;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(args, "y*", &ids)) return NULL;
    if (begin_use(o)) {
        if (check_tokens(&o->r, &ids)) {
            Py_BEGIN_ALLOW_THREADS
            read_tokens(&o->r, ids.buf, (i64)ids.len / 4, NULL, NULL, COUNT_ONLY, NULL);
            Py_END_ALLOW_THREADS
            result = Py_NewRef(Py_None);
        }
        result = end_use(o, result);
    }
    PyBuffer_Release(&ids);
    return result;
}

/* distribution(out f32 [V], tokens u32 [k] or None, model f32 [V] or None, floor): all tokens' probabilities, or with
 * `tokens` the k likeliest in order. Returns their number. */
static PyObject *reader_distribution(PyObject *self, PyObject *args) {
    ReaderObject *o = (ReaderObject *)self;
    Py_buffer out, tokens, model;
    PyObject *top, *row, *result = NULL;
    double floor;
    if (!PyArg_ParseTuple(args, "w*OOd", &out, &top, &row, &floor)) return NULL;
    tokens.buf = model.buf = NULL;
    if (begin_use(o)) {
        i64 v = o->r.index->spelling.num_tokens, n = -1;
        int good = (top == Py_None || !PyObject_GetBuffer(top, &tokens, PyBUF_WRITABLE)) && (row == Py_None || !PyObject_GetBuffer(row, &model, PyBUF_SIMPLE));
        i64 wanted = tokens.buf ? (i64)tokens.len / 4 : v;
        good = good && holds(&out, wanted, 4, "probabilities") && (!model.buf || holds(&model, v, 4, "model")) && (!tokens.buf || holds(&tokens, wanted, 4, "tokens"));
        double *sums = good && model.buf ? malloc(sizeof(double) * (size_t)(v + 1)) : NULL;
        if (sums && !(o->r.model_sums = sum_model(o->r.index, model.buf, sums))) {
            PyErr_SetString(PyExc_ValueError, "the model's row is no distribution");
        } else if (good) {
            Py_BEGIN_ALLOW_THREADS
            if (tokens.buf) n = likeliest(&o->r, wanted, tokens.buf, out.buf);
            else n = all_chances(&o->r, o->owner->token_of_rank, floor, out.buf) ? -1 : v;
            Py_END_ALLOW_THREADS
            if (n < 0) PyErr_NoMemory();
        }
        o->r.model_sums = NULL;
        free(sums);
        result = end_use(o, n < 0 ? NULL : PyLong_FromLongLong(n));
    }
    if (tokens.buf) PyBuffer_Release(&tokens);
    if (model.buf) PyBuffer_Release(&model);
    PyBuffer_Release(&out);
    return result;
}

/* mark() -> where to go back to; what is read from now on can be taken back. */
static PyObject *reader_mark(PyObject *self, PyObject *unused) {
    ReaderObject *o = (ReaderObject *)self;
    (void)unused;
    if (!begin_use(o)) return NULL;
    o->r.journaling = 1;
    return end_use(o, PyLong_FromSize_t(o->r.journal_size));
}

/* roll_back(mark, last): as it was at the mark; with `last`, nothing before it can be taken back any more. */
static PyObject *reader_roll_back(PyObject *self, PyObject *args) {
    ReaderObject *o = (ReaderObject *)self;
    unsigned long long mark;
    int last;
    if (!PyArg_ParseTuple(args, "Kp", &mark, &last) || !begin_use(o)) return NULL;
    if (mark > o->r.journal_size) {
        PyErr_SetString(PyExc_ValueError, "that mark is gone");
        return end_use(o, NULL);
    }
    roll_back(&o->r, (size_t)mark);
    if (last) o->r.journaling = 0;
    return end_use(o, Py_NewRef(Py_None));
}

static PyObject *reader_freeze(PyObject *self, PyObject *args) {
    ReaderObject *o = (ReaderObject *)self;
    int frozen;
    if (!PyArg_ParseTuple(args, "p", &frozen) || !begin_use(o)) return NULL;
    o->r.frozen = frozen;
    return end_use(o, Py_NewRef(Py_None));
}

static PyObject *reader_learned(PyObject *self, PyObject *unused) {
    ReaderObject *o = (ReaderObject *)self;
    (void)unused;
    if (!begin_use(o)) return NULL;
    return end_use(o, PyBytes_FromStringAndSize((const char *)o->r.learned, sizeof(Learned)));
}

/* followers(context) -> [(symbol, occurrences)] after the tokens read so far, without those of zero. */
static PyObject *reader_followers(PyObject *self, PyObject *args) {
    ReaderObject *o = (ReaderObject *)self;
    int context;
    if (!PyArg_ParseTuple(args, "i", &context) || !begin_use(o)) return NULL;
    PyObject *list = context < 0 || context >= NUM_CONTEXTS ? NULL : PyList_New(0);
    if (!list && !PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "no such context");
    if (list) prepare(&o->r);
    for (u32 symbol = 0; list && symbol <= RARE; symbol++) {
        Followers f = o->r.followers[context];
        Middle m;
        i32 n0, n1, last = symbol == RARE;
        enter_interval(&f, symbol, symbol + 1, last);
        count_sides(&f, symbol, &n0, &n1, &m); /* all of them are on the right side */
        if (n1 == 0) continue;
        PyObject *item = Py_BuildValue("Ii", symbol, n1);
        if (!item || PyList_Append(list, item)) Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return end_use(o, list);
}

static PyMethodDef reader_methods[] = {
    {"followers", reader_followers, METH_VARARGS, NULL},
    {"restart", reader_restart, METH_VARARGS, NULL},
    {"feed", reader_feed, METH_VARARGS, NULL},
    {"observe", reader_observe, METH_VARARGS, NULL},
    {"skim", reader_skim, METH_VARARGS, NULL},
    {"distribution", reader_distribution, METH_VARARGS, NULL},
    {"mark", reader_mark, METH_NOARGS, NULL},
    {"roll_back", reader_roll_back, METH_VARARGS, NULL},
    {"freeze", reader_freeze, METH_VARARGS, NULL},
    {"learned", reader_learned, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot reader_slots[] = {
    {Py_tp_init, reader_init}, {Py_tp_dealloc, reader_dealloc}, {Py_tp_methods, reader_methods}, {Py_tp_doc, "Reads one file over an index."}, {0, NULL},
};
static PyType_Spec reader_spec = {"effectiveness.memory._native.Reader", sizeof(ReaderObject), 0, Py_TPFLAGS_DEFAULT, reader_slots};

#endif
