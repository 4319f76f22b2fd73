/* The user half: states of behaviors, once per user, or from where they were left. */

static void copy_states(const struct interest *interest, struct user_states to,
                        struct user_states from, int64_t steps) {
    memcpy(to.behavior_sum_E, from.behavior_sum_E, interest->embedding * sizeof(float));
    memcpy(to.extracted_H, from.extracted_H, interest->hidden * sizeof(float));
    memcpy(to.values_TH, from.values_TH, steps * to.value_stride * sizeof(float));
    if (interest->key_columns)
        memcpy(to.keys_TA, from.keys_TA, steps * to.key_stride * sizeof(float));
    if (to.input_stride) memcpy(to.inputs_TG, from.inputs_TG, steps * to.input_stride * sizeof(float));
}

/* Memory for encoding one user. */
struct encoding {
    float *embedded_TE, *projected_TG, *extracted_TH, *gates_G, *reset_H;
};

static struct encoding take_encoding(struct workspace *workspace, const struct model *model,
                                     int64_t steps) {
    int64_t embedding = 0, hidden = 0;
    for (int i = 0; i < model->interests; i++) {
        embedding = most(embedding, padded(model->interest[i].embedding));
        hidden = most(hidden, model->interest[i].hidden);
    }
    return (struct encoding){
        .embedded_TE = take(workspace, steps * embedding),
        .projected_TG = take(workspace, steps * padded(3 * hidden)),
        .extracted_TH = take(workspace, steps * padded(hidden)),
        .gates_G = take(workspace, padded(3 * hidden) + ALIGN_FLOATS),
        .reset_H = take(workspace, padded(hidden) + ALIGN_FLOATS),
    };
}

/* One step of a GRU whose hidden units lie in the lanes. Loads and stores reach past H into padding
 * of every buffer, where they do no harm: a product reads H of the state and no more. */
static void step_of_user(const struct cell *cell, const float *projected_G, const float *before_H,
                         struct encoding memory, float *state_H) {
    const int hidden = cell->hidden, gates = (int)padded(3 * hidden);
    over_outputs(1, gates, hidden, before_H, 0, cell->hidden_columns, cell->hidden_bias,
                 memory.gates_G, 0);
    if (cell->reset_before) {
        for (int j = 0; j < hidden; j += LANES) {
            vector reset = sigmoid(load(projected_G + j) + load(memory.gates_G + j));
            store(memory.reset_H + j, reset * load(before_H + j));
        }
        float update_H[padded(hidden) + ALIGN_FLOATS];
        memcpy(update_H, memory.gates_G + hidden, hidden * sizeof(float));
        over_outputs(1, gates, hidden, memory.reset_H, 0, cell->hidden_columns, cell->hidden_bias,
                     memory.gates_G, 0);
        memcpy(memory.gates_G + hidden, update_H, hidden * sizeof(float));
    }
    for (int j = 0; j < hidden; j += LANES) {
        vector reset = sigmoid(load(projected_G + j) + load(memory.gates_G + j));
        vector update = sigmoid(load(projected_G + hidden + j) + load(memory.gates_G + hidden + j));
        vector product = load(memory.gates_G + 2 * hidden + j);
        vector input = load(projected_G + 2 * hidden + j);
        vector new = hyperbolic_tangent(cell->reset_before ? input + product
                                                           : multiply_add(reset, product, input));
        vector before = load(before_H + j);
        store(state_H + j, multiply_add(update, new - before, before));
    }
}

/* States of `steps` behaviors of a plain GRU that goes on after `state_H` (NULL: from zero). */
static void run_of_user(const struct cell *cell, int64_t steps, const float *inputs_TI,
                        int64_t input_stride, const float *state_H, struct encoding memory,
                        float *states_TH) {
    const int64_t gates = padded(3 * cell->hidden), stride = padded(cell->hidden);
    float zero_H[stride];
    memset(zero_H, 0, sizeof zero_H);
    over_outputs(steps, (int)gates, cell->inputs, inputs_TI, input_stride, cell->input_columns,
                 cell->input_bias, memory.projected_TG, gates);
    for (int64_t t = 0; t < steps; t++) {
        const float *before_H = t ? states_TH - stride : state_H ? state_H : zero_H;
        step_of_user(cell, memory.projected_TG + t * gates, before_H, memory, states_TH);
        states_TH += stride;
    }
}

static void embed(const struct model *model, const struct interest *interest,
                  const int64_t *rows_TF, int64_t steps, float *embedded_TE) {
    const int64_t stride = padded(interest->embedding);
    for (int64_t t = 0; t < steps; t++) {
        float *to = embedded_TE + t * stride;
        for (int i = 0; i < interest->fields; i++) {
            const int field = interest->field[i];
            const struct table table = model->tables[field];
            const int64_t row = rows_TF[t * model->behavior_fields + field];
            read_row(table, row, to);
            to += table.width;
        }
    }
}

/* Adds the behaviors from `known` to `steps` to states that hold those before. */
static void encode_interest(const struct model *model, const struct interest *interest,
                            const int64_t *rows_TF, int64_t known, int64_t steps,
                            struct encoding memory, struct user_states states) {
    const int64_t added = steps - known, embedded_stride = padded(interest->embedding);
    const int64_t stride = states.value_stride;
    float *values_TH = states.values_TH + known * stride;
    if (added == 0) return;
    embed(model, interest, rows_TF + known * model->behavior_fields, added, memory.embedded_TE);
    for (int64_t t = 0; t < added; t++)
        for (int e = 0; e < interest->embedding; e++)
            states.behavior_sum_E[e] += memory.embedded_TE[t * embedded_stride + e];

    const float *extracted_TH = memory.embedded_TE;
    if (interest->extractor) {
        float *to = runs_once_per_user(interest) ? memory.extracted_TH : values_TH;
        run_of_user(interest->extractor, added, memory.embedded_TE, embedded_stride,
                    known ? states.extracted_H : NULL, memory, to);
        memcpy(states.extracted_H, to + (added - 1) * stride, interest->hidden * sizeof(float));
        extracted_TH = to;
    }
    if (runs_once_per_user(interest))
        run_of_user(interest->evolution_cell, added, extracted_TH, stride,
                    known ? values_TH - stride : NULL, memory, values_TH);
    else if (!interest->extractor)
        memcpy(values_TH, extracted_TH, added * stride * sizeof(float));

    if (interest->key_columns)
        over_outputs(added, (int)states.key_stride, interest->hidden, values_TH, stride,
                     interest->key_columns, NULL, states.keys_TA + known * states.key_stride,
                     states.key_stride);
    if (states.input_stride) {
        const struct cell *cell = interest->evolution_cell;
        const float *bias = interest->evolution == AIGRU ? NULL : cell->input_bias;
        over_outputs(added, (int)states.input_stride, cell->inputs, values_TH, stride,
                     cell->input_columns, bias, states.inputs_TG + known * states.input_stride,
                     states.input_stride);
    }
}

/* Fills one user's states, from those of its first `known` behaviors where there are any. */
static void encode_user(const struct model *model, const int64_t *rows_TF, int64_t known,
                        const float *earlier, int64_t steps, struct encoding encoding,
                        float *out) {
    struct workspace to = {out, 0}, from = {(float *)earlier, 0};
    for (int i = 0; i < model->interests; i++) {
        const struct interest *interest = &model->interest[i];
        struct user_states states = take_states(&to, interest, steps);
        if (known)
            copy_states(interest, states, take_states(&from, interest, known), known);
        else {
            memset(states.behavior_sum_E, 0, interest->embedding * sizeof(float));
            memset(states.extracted_H, 0, interest->hidden * sizeof(float));
        }
        encode_interest(model, interest, rows_TF, known, steps, encoding, states);
    }
}
