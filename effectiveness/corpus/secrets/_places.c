/* Where secrets may stand in many texts, in one pass: the same as anchors.py finds, in a small part of its time.
 * One module by the stable interface of Python 3.11; what is not compiled is done there. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdint.h>
#include <string.h>

enum { BLOCK = 4096, FOLD = 0x20, TOKEN = 8, DIGIT = 4, UPPER = 2, LOWER = 1 };
enum { MIN_RUN = 16, MAX_COUNTED = 256, MIN_DIGITS = 2, MIN_CHANGES = 5, BYTES_A_CHANGE = 8 };

static unsigned char kind_of[256]; /* of a byte: one bit each for lower case, upper case, digits, and all that tokens have */

static void init_kinds(void) {
    for (int c = 0; c < 256; c++) {
        unsigned char kind = c >= 'a' && c <= 'z' ? LOWER : c >= 'A' && c <= 'Z' ? UPPER : c >= '0' && c <= '9' ? DIGIT : 0;
        kind_of[c] = kind || (c && strchr("_-+/.~", c)) ? kind | TOKEN : 0;
    }
}

/* The tables of `AnchorTable`: which codes of 3 bytes begin what is looked for, a bit for each fourth byte that may follow
 * (of all that have the same last 3 bits), and the keys of 4 bytes, or of 3. */
typedef struct {
    const unsigned char *begins, *nexts;
    const uint32_t *fours;
    const int16_t *key_of_code, *key_of_gram;
    const uint16_t *factors;
    uint32_t factor;
    int code_shift;
} Tables;

static int key_at(const Tables *tables, uint32_t four, uint16_t gram) {
    int key = tables->key_of_code[(uint32_t)(four * tables->factor) >> tables->code_shift];
    if (key >= 0 && tables->fours[key] == four) return key;
    key = tables->key_of_gram[gram];
    return key >= 0 && tables->fours[key] == (four & 0xFFFFFF) ? key : -1;
}

/* The places are written down first and asked then: a branch at every byte would be guessed wrong too often. */
static Py_ssize_t find_anchors(const unsigned char *restrict text, Py_ssize_t num_places, const Tables *tables, int64_t *restrict places, int16_t *restrict keys) {
    uint16_t grams[BLOCK], hits[BLOCK];
    const unsigned char *restrict begins = tables->begins, *restrict nexts = tables->nexts;
    const uint16_t first = tables->factors[0], second = tables->factors[1], third = tables->factors[2];
    Py_ssize_t found = 0;
    for (Py_ssize_t start = 0; start < num_places; start += BLOCK) {
        const unsigned char *restrict at = text + start;
        int num = num_places - start < BLOCK ? (int)(num_places - start) : BLOCK, num_hits = 0, num_left = 0;
        for (int n = 0; n < num; n++) {
            uint16_t a = at[n] | FOLD, b = at[n + 1] | FOLD, c = at[n + 2] | FOLD;
            grams[n] = (uint16_t)(a * first + b * second + c * third);
        }
        for (int n = 0; n < num; n++) {
            hits[num_hits] = (uint16_t)n;
            num_hits += begins[grams[n]];
        }
        for (int k = 0; k < num_hits; k++) {
            int n = hits[k];
            hits[num_left] = (uint16_t)n;
            num_left += nexts[grams[n]] >> (at[n + 3] & 7) & 1;
        }
        for (int k = 0; k < num_left; k++) {
            int n = hits[k];
            uint32_t four = (at[n] | at[n + 1] << 8 | at[n + 2] << 16 | (uint32_t)at[n + 3] << 24) | 0x20202020;
            int key = key_at(tables, four, grams[n]);
            places[found] = start + n;
            keys[found] = (int16_t)key;
            found += key >= 0;
        }
    }
    return found;
}

/* Whether a run has two digits, and letters, digits and the case change often enough. */
static int is_random(const unsigned char *run, Py_ssize_t length) {
    int num = length < MAX_COUNTED ? (int)length : MAX_COUNTED, num_digits = 0, num_changes = 0;
    for (int n = 0; n < num; n++) {
        int kind = kind_of[run[n]] & ~TOKEN, next = n + 1 < num ? kind_of[run[n + 1]] & ~TOKEN : 0;
        num_digits += kind == DIGIT;
        num_changes += kind && next && kind != next;
    }
    int wanted = num / BYTES_A_CHANGE;
    return num_digits >= MIN_DIGITS && num_changes >= (wanted > MIN_CHANGES ? wanted : MIN_CHANGES);
}

/* Such a run holds 8 aligned bytes without a gap, with a digit in them or in the 8 bytes beside them. */
static Py_ssize_t find_runs(const unsigned char *restrict text, Py_ssize_t size, int64_t *restrict starts, int64_t *restrict lengths) {
    unsigned char is_token[BLOCK], is_digit[BLOCK + 8];
    uint16_t hits[BLOCK / 8];
    Py_ssize_t found = 0, known_until = 0;
    for (Py_ssize_t block = 0; block < size; block += BLOCK) {
        const unsigned char *restrict at = text + block;
        int num = size - block < BLOCK ? (int)(size - block) / 8 * 8 : BLOCK, num_hits = 0;
        for (int n = 0; n < num; n++) {
            unsigned char c = at[n], letter = (unsigned char)((c | FOLD) - 'a'), sign = (unsigned char)(c - '-');
            is_token[n] = (letter < 26 ? 255 : 0) | (sign < 13 ? 255 : 0) | (c == '_' ? 255 : 0) | (c == '+' ? 255 : 0) | (c == '~' ? 255 : 0);
        }
        for (int n = 0; n < num; n++) is_digit[n] = (unsigned char)(at[n] - '0') < 10 ? 255 : 0;
        memset(is_digit + num, 255, 8); /* what stands before and behind a block may be digits */
        uint64_t tokens, before = 1, digits, behind;
        memcpy(&digits, is_digit, 8);
        for (int n = 0; n < num; n += 8) {
            memcpy(&tokens, is_token + n, 8);
            memcpy(&behind, is_digit + n + 8, 8);
            hits[num_hits] = (uint16_t)n;
            num_hits += (tokens == UINT64_MAX) & ((before | digits | behind) != 0);
            before = digits;
            digits = behind;
        }
        for (int k = 0; k < num_hits; k++) {
            Py_ssize_t start = block + hits[k], end = start + 8;
            if (start < known_until) continue;
            while (start > 0 && kind_of[text[start - 1]]) start--;
            while (end < size && kind_of[text[end]]) end++;
            known_until = end;
            if (end - start < MIN_RUN || !is_random(text + start, end - start)) continue;
            starts[found] = start;
            lengths[found++] = end - start;
        }
    }
    return found;
}

static PyObject *py_find_anchors(PyObject *self, PyObject *args) {
    Py_buffer text, begins, nexts, fours, key_of_code, key_of_gram, factors, places, keys;
    unsigned int factor;
    int code_bits;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*y*Iiw*w*", &text, &begins, &nexts, &fours, &key_of_code, &key_of_gram, &factors, &factor, &code_bits, &places, &keys))
        return NULL;
    Py_buffer *buffers[] = {&text, &begins, &nexts, &fours, &key_of_code, &key_of_gram, &factors, &places, &keys};
    Py_ssize_t num_places = text.len > 8 ? text.len - 8 : 0, found = -1;
    if (begins.len == 1 << 16 && nexts.len == 1 << 16 && key_of_gram.len == 2 << 16 && key_of_code.len == (Py_ssize_t)2 << code_bits && factors.len == 6 &&
        places.len / 8 >= num_places && keys.len / 2 >= num_places) {
        Tables tables = {begins.buf, nexts.buf, fours.buf, key_of_code.buf, key_of_gram.buf, factors.buf, factor, 32 - code_bits};
        Py_BEGIN_ALLOW_THREADS
        found = find_anchors(text.buf, num_places, &tables, places.buf, keys.buf);
        Py_END_ALLOW_THREADS
    } else {
        PyErr_SetString(PyExc_ValueError, "find_anchors: a table or a result is of another size");
    }
    for (size_t n = 0; n < sizeof buffers / sizeof *buffers; n++) PyBuffer_Release(buffers[n]);
    return found < 0 ? NULL : PyLong_FromSsize_t(found);
}

static PyObject *py_find_runs(PyObject *self, PyObject *args) {
    Py_buffer text, starts, lengths;
    Py_ssize_t found = -1;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*w*w*", &text, &starts, &lengths)) return NULL;
    Py_ssize_t most = text.len / MIN_RUN;
    if (starts.len / 8 >= most && lengths.len / 8 >= most) {
        Py_BEGIN_ALLOW_THREADS
        found = find_runs(text.buf, text.len, starts.buf, lengths.buf);
        Py_END_ALLOW_THREADS
    } else {
        PyErr_SetString(PyExc_ValueError, "find_runs: a result is too small");
    }
    PyBuffer_Release(&text);
    PyBuffer_Release(&starts);
    PyBuffer_Release(&lengths);
    return found < 0 ? NULL : PyLong_FromSsize_t(found);
}

static PyMethodDef functions[] = {
    {"find_anchors", py_find_anchors, METH_VARARGS,
     "find_anchors(text, begins, nexts, fours, key_of_code, key_of_gram, factors, factor, code_bits, places, keys) -> number of places"},
    {"find_runs", py_find_runs, METH_VARARGS, "find_runs(text, starts, lengths) -> number of runs"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "effectiveness.corpus.secrets._places", NULL, -1, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__places(void) {
    init_kinds();
    return PyModule_Create(&module);
}
