// A trained reward model as transformers and PEFT load it: the weights of a package as those of a sequence
// classifier with one label, with the tokenizer and the chat template.
//
//   method lora   adapter_config.json (SEQ_CLS, modules_to_save: score), adapter_model.safetensors:
//                 PeftModel over AutoModelForSequenceClassification.from_pretrained(BASE, num_labels=1)
//   method full   config.json (...ForSequenceClassification, num_labels 1), model.safetensors:
//                 AutoModelForSequenceClassification.from_pretrained(FOLDER)
//
// `preferd adopt` makes a package of either.
#pragma once

#include <string>

#include "base/result.h"
#include "model/families/body.h"
#include "model/package/manifest.h"
#include "training/model/package_writer.h"

namespace preferd::training {

// Whether those classes compute what the package does. Errors: the first of its parts that they do not have.
Status check_huggingface(Method method, const package::Manifest& manifest, const families::Family& family);

// Writes `target`, which is replaced in one step, from the package in `folder`, which was written with `form`.
// Requires that check_huggingface() passed. Errors: those of files; a base whose
// config.json names no class.
Status write_huggingface(const std::string& folder, const PackageForm& form, const std::string& target);

}  // namespace preferd::training
