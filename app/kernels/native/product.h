/* Matrix products whose accumulators stay in registers.
 *
 * out[m, n] = start + sum over k of a[m, k] b[k, n]: an element of `a` is broadcast, a row of `b` is
 * loaded, and each load feeds all accumulators of a block. Every element is summed in the order of
 * k, whatever block it is in: a score does not depend on its place in a batch. */

/* Where the elements of `a` are: row m begins at (m / PANEL) * panel + (m % PANEL) * row. */
struct left {
    const float *at;
    int64_t panel, row, k;
};

ALWAYS_INLINE struct left panels_of(const float *weight, int64_t inputs) {
    return (struct left){weight, inputs * PANEL, 1, PANEL};
}

ALWAYS_INLINE struct left rows_of(const float *rows, int64_t stride) {
    return (struct left){rows, stride * PANEL, stride, 1};
}

/* What a sum begins with; NULL is zero. */
struct start {
    const float *of_row;    /* [m] */
    const float *of_column; /* [n] */
    const float *of_both;   /* laid out as `out` */
};

/* All of a loop: Clang does not take GCC's way for a number that is more than there are turns. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

enum { MOST_ROWS = 16, MOST_BLOCK_VECTORS = 8 };

/* `m` rows times `vectors` vectors; both are known when this is compiled, and so is which elements
 * of the arrays are used: those become registers. */
ALWAYS_INLINE void block(const int m, const int vectors, int inputs, struct left a, const float *b,
                         int64_t b_stride, struct start start, float *out, int64_t out_stride) {
    vector sum[MOST_ROWS][MOST_BLOCK_VECTORS];
    const float *from[MOST_ROWS];
    UNROLL
    for (int i = 0; i < m; i++) {
        from[i] = a.at + (i / PANEL) * a.panel + (i % PANEL) * a.row;
        UNROLL
        for (int v = 0; v < vectors; v++) {
            vector first = broadcast(start.of_row ? start.of_row[i] : 0.0f);
            if (start.of_column) first += load(start.of_column + v * LANES);
            if (start.of_both) first += load(start.of_both + i * out_stride + v * LANES);
            sum[i][v] = first;
        }
    }
    for (int k = 0; k < inputs; k++) {
        vector right[MOST_BLOCK_VECTORS];
        UNROLL
        for (int v = 0; v < vectors; v++) right[v] = load(b + k * b_stride + v * LANES);
        UNROLL
        for (int i = 0; i < m; i++) {
            vector left = broadcast(from[i][k * a.k]);
            UNROLL
            for (int v = 0; v < vectors; v++) sum[i][v] = multiply_add(left, right[v], sum[i][v]);
        }
    }
    UNROLL
    for (int i = 0; i < m; i++)
        UNROLL
        for (int v = 0; v < vectors; v++) store(out + i * out_stride + v * LANES, sum[i][v]);
}

ALWAYS_INLINE struct start start_at_row(struct start start, int64_t m, int64_t out_stride) {
    if (start.of_row) start.of_row += m;
    if (start.of_both) start.of_both += m * out_stride;
    return start;
}

/* All rows of a tile that is `vectors` wide, in blocks of as many rows as the registers hold. */
ALWAYS_INLINE void tile_product(const int vectors, int rows, int inputs, struct left a,
                                const float *b, struct start start, float *out) {
    const int stride = vectors * LANES;
    const int most = REGISTERS == 32 ? (vectors == 1 ? 16 : 8) : (vectors == 1 ? 8 : PANEL);
    int m = 0;
    for (; m + most <= rows; m += most, a.at += (most / PANEL) * a.panel)
        block(most, vectors, inputs, a, b, stride, start_at_row(start, m, stride),
              out + m * stride, stride);
    for (; most > 8 && m + 8 <= rows; m += 8, a.at += (8 / PANEL) * a.panel)
        block(8, vectors, inputs, a, b, stride, start_at_row(start, m, stride), out + m * stride,
              stride);
    for (; m + PANEL <= rows; m += PANEL, a.at += a.panel)
        block(PANEL, vectors, inputs, a, b, stride, start_at_row(start, m, stride),
              out + m * stride, stride);
    for (; m < rows; m++, a.at += a.row)
        block(1, vectors, inputs, a, b, stride, start_at_row(start, m, stride), out + m * stride,
              stride);
}

enum { MOST_VECTORS = 3 }; /* of a tile */

ALWAYS_INLINE void product(int vectors, int rows, int inputs, struct left a, const float *b,
                           struct start start, float *out) {
    switch (vectors) {
    case 1: tile_product(1, rows, inputs, a, b, start, out); break;
    case 2: tile_product(2, rows, inputs, a, b, start, out); break;
    default: tile_product(MOST_VECTORS, rows, inputs, a, b, start, out);
    }
}

/* out [rows, L] = start + a [rows, inputs] b [inputs, L] for L = vectors * LANES candidates. */
static void over_candidates(int vectors, int rows, int inputs, struct left a, const float *b,
                            struct start start, float *out) {
    product(vectors, rows, inputs, a, b, start, out);
}

/* The same of a weight in panels: where its elements are is known when this is compiled. */
static void weigh_candidates(int vectors, int rows, int inputs, const float *weight, const float *b,
                             struct start start, float *out) {
    product(vectors, rows, inputs, panels_of(weight, inputs), b, start, out);
}

/* Some rows against the outputs from `first` on, as far as whole blocks go; where they end. */
ALWAYS_INLINE int rows_product(const int rows, const int vectors, int first, int outputs,
                               int inputs, struct left a, const float *columns, const float *bias,
                               float *out, int64_t out_stride) {
    int n = first;
    for (; n + vectors * LANES <= outputs; n += vectors * LANES) {
        struct start start = {.of_column = bias ? bias + n : NULL};
        block(rows, vectors, inputs, a, columns + n, outputs, start, out + n, out_stride);
    }
    return n;
}

/* out [rows, O] = bias + x [rows, inputs] columns [inputs, O]; O is a multiple of ALIGN_FLOATS. */
static inline void over_outputs(int64_t rows, int outputs, int inputs, const float *x, int64_t x_stride,
                         const float *columns, const float *bias, float *out, int64_t out_stride) {
    int64_t r = 0;
    for (; r + PANEL <= rows; r += PANEL, out += PANEL * out_stride) {
        struct left a = rows_of(x + r * x_stride, x_stride);
        int n = rows_product(PANEL, 3, 0, outputs, inputs, a, columns, bias, out, out_stride);
        rows_product(PANEL, 1, n, outputs, inputs, a, columns, bias, out, out_stride);
    }
    for (; r < rows; r++, out += out_stride) {
        struct left a = rows_of(x + r * x_stride, x_stride);
        int n = rows_product(1, 8, 0, outputs, inputs, a, columns, bias, out, out_stride);
        n = rows_product(1, 4, n, outputs, inputs, a, columns, bias, out, out_stride);
        n = rows_product(1, 2, n, outputs, inputs, a, columns, bias, out, out_stride);
        rows_product(1, 1, n, outputs, inputs, a, columns, bias, out, out_stride);
    }
}
