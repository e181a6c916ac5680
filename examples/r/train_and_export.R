# Trains a small network on R's own iris data with Keras, through reticulate, and exports it with kexport.
#
#   RETICULATE_PYTHON=.venv/bin/python Rscript train_and_export.R FOLDER
#
# RETICULATE_PYTHON names the Python that has Keras and kexport.

library(reticulate)

folder <- commandArgs(trailingOnly = TRUE)[1]
if (is.na(folder)) stop("Usage: Rscript train_and_export.R FOLDER")
dir.create(folder, showWarnings = FALSE, recursive = TRUE)

# Nothing is turned into R's objects on its own: reticulate before 1.36 can't read the arrays of NumPy 2. What it hands over and takes
# back here are lists and numbers, which every reticulate can.
keras <- import("keras", convert = FALSE)
np <- import("numpy", convert = FALSE)
kexport <- import("kexport", convert = FALSE)
rows <- function(matrix) lapply(seq_len(nrow(matrix)), function(i) as.list(unname(matrix[i, ])))

invisible(keras$utils$set_random_seed(7L))

# 150 flowers: four measures each, standardized, and one of three kinds.
measures <- scale(as.matrix(iris[, 1:4]))
kinds <- as.integer(iris$Species) - 1L
x <- np$asarray(rows(measures), dtype = "float32")
y <- np$asarray(as.list(kinds), dtype = "int32")

model <- keras$Sequential(list(
  keras$layers$InputLayer(shape = tuple(4L), name = "measures"),
  keras$layers$Dense(16L, activation = "tanh"),
  keras$layers$Dropout(0.1),
  keras$layers$Dense(3L, activation = "softmax", name = "species")
))
invisible(model$compile(
  optimizer = keras$optimizers$Adam(0.01), loss = "sparse_categorical_crossentropy", metrics = list("accuracy")
))
invisible(model$fit(x, y, epochs = 30L, batch_size = 16L, verbose = 0L))

# The model in memory is exported as it is; model$save() and the file's path would do as well.
result <- kexport$export(
  model, target = c("tflite", "onnx"), output = file.path(folder, "iris_export"), samples = list(measures = x)
)

predicted <- unlist(py_to_r(np$argmax(model$predict(x, verbose = 0L), axis = -1L)$tolist()))
cat(sprintf("%.0f%% of %d flowers are told right\n", 100 * mean(predicted == kinds), length(kinds)))
for (target in iterate(result$targets)) {
  cat(sprintf(
    "%s: %s, %d bytes, largest error %.1e of the output's range\n",
    py_to_r(target$target), py_to_r(target$status), py_to_r(target$nbytes), py_to_r(target$verdict$max_rel_error)
  ))
}
if (!py_to_r(result$verified)) quit(status = 1)
