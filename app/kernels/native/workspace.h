/* Memory for one call: counted first, then handed out piece by piece, each aligned. */

struct workspace {
    float *memory; /* NULL while it is only counted */
    int64_t used_floats;
};

static inline int64_t padded(int64_t floats) {
    return (floats + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

static inline float *take(struct workspace *workspace, int64_t floats) {
    float *piece = workspace->memory ? workspace->memory + workspace->used_floats : NULL;
    workspace->used_floats += padded(floats);
    return piece;
}

static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
