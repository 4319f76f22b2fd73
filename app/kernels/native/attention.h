/* How much of a user's behaviors each candidate of a tile looks at. */

/* Scores [T, L] by a small net on q * h, beside the two halves that belong to q and to h alone. */
static void mlp_scores(const struct interest *interest, struct user_states states, int64_t steps,
                       int vectors, const float *query_HL, float *query_half_AL, float *pair_HL,
                       float *buffers[2], float *scores_TL) {
    const int width = vectors * LANES;
    run_layer(interest->query_half, vectors, query_HL,
              (struct start){.of_row = interest->query_half->bias}, query_half_AL);
    for (int64_t t = 0; t < steps; t++) {
        const float *value_H = states.values_TH + t * states.value_stride;
        for (int h = 0; h < interest->hidden; h++)
            for (int v = 0; v < width; v += LANES)
                store(pair_HL + h * width + v, value_H[h] * load(query_HL + h * width + v));
        struct start halves = {.of_row = states.keys_TA + t * states.key_stride,
                               .of_both = query_half_AL};
        const float *score_L = run_layers(interest->pair, interest->pair_layers, vectors, pair_HL,
                                          halves, buffers);
        memcpy(scores_TL + t * width, score_L, width * sizeof(float));
    }
}

static void softmax_over_steps(int64_t steps, int vectors, float *scores_TL) {
    const int width = vectors * LANES;
    for (int v = 0; v < width; v += LANES) {
        vector largest = load(scores_TL + v), sum = broadcast(0.0f);
        for (int64_t t = 1; t < steps; t++)
            largest = VECTOR_MAX(largest, load(scores_TL + t * width + v));
        for (int64_t t = 0; t < steps; t++) {
            vector power = exponential(1.0f, load(scores_TL + t * width + v) - largest);
            store(scores_TL + t * width + v, power);
            sum += power;
        }
        vector share = 1.0f / sum;
        for (int64_t t = 0; t < steps; t++)
            store(scores_TL + t * width + v, load(scores_TL + t * width + v) * share);
    }
}

/* Scalar products of keys and query, head by head; the mean of what each head gives. */
static void dot_attention(const struct interest *interest, struct user_states states,
                          int64_t steps, int vectors, const float *query_HL, float *head_TL,
                          float *attention_TL) {
    const int width = vectors * LANES;
    const int queried = interest->key_columns ? interest->key_width : interest->hidden;
    const int size = queried / interest->heads;
    const float share = 1.0f / (float)interest->heads;
    for (int head = 0; head < interest->heads; head++) {
        float *to = head ? head_TL : attention_TL;
        struct left keys = rows_of(states.keys_TA + head * size, states.key_stride);
        over_candidates(vectors, (int)steps, size, keys, query_HL + head * size * width,
                        (struct start){0}, to);
        if (interest->softmax) softmax_over_steps(steps, vectors, to);
        for (int64_t i = 0; i < steps * width; i += LANES) {
            vector others = head ? load(attention_TL + i) : broadcast(0.0f);
            store(attention_TL + i, multiply_add(load(to + i), broadcast(share), others));
        }
    }
}
