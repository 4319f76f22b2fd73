/* Rows of embedding tables as floats, however they are stored. */

/* Where the row is: in the table itself, or in `decoded`, which has room for it. */
static const float *row_of(struct table table, int64_t row, float *decoded) {
    const int width = table.width;
    switch (table.numbers) {
    case BFLOAT16: { /* the upper half of a float */
        const uint16_t *from = (const uint16_t *)table.rows + row * width;
        for (int e = 0; e < width; e++) {
            const uint32_t bits = (uint32_t)from[e] << 16;
            memcpy(decoded + e, &bits, sizeof bits);
        }
        return decoded;
    }
    case INT8: {
        const int8_t *from = (const int8_t *)table.rows + row * width;
        for (int e = 0; e < width; e++) decoded[e] = table.scales[row] * (float)from[e];
        return decoded;
    }
    default: return (const float *)table.rows + row * width;
    }
}

static inline void read_row(struct table table, int64_t row, float *to) {
    const float *from = row_of(table, row, to);
    if (from != to) memcpy(to, from, table.width * sizeof(float));
}
