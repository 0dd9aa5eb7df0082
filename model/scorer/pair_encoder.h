// The text side of a package: turns a pair into token sequences and feature columns. Opens no weights and
// names no torch.
#pragma once

#include <memory>

#include "base/files.h"
#include "base/result.h"
#include "features/arena.h"
#include "model/package/manifest.h"
#include "model/scorer/scorer.h"

namespace preferd::families {
struct Family;
}

namespace preferd::scorer {

// Immutable; any thread.
class PairEncoder {
 public:
  // Reads the manifest, the tokenizer, feature statistics and, from config.json, the family and the size of
  // the vocabulary.
  static Result<std::shared_ptr<const PairEncoder>> open(std::shared_ptr<const Files> package);

  const package::Manifest& manifest() const { return manifest_; }
  const Files& package() const { return *package_; }
  const Files& base() const { return *base_; }
  const text::Tokenizer& tokenizer() const { return *tokenizer_; }
  const families::Family& family() const { return *family_; }
  Prefixes prefixes() const { return prefixes_; }
  Rewards rewards() const;

  // Files::intact() of the package and of the base.
  Status intact(Look look) const;

  // Contract: Scorer::encode.
  Result<Encoded> encode(const Ask& ask) const;

  // Contract: Scorer::encode_response.
  Result<Encoded> encode_response(const ResponseAsk& ask) const;

  // The 63 columns: standardised if there are 63 statistics, unchanged if there are 41 or none.
  std::vector<float> features(const text::Pair& pair) const;

  // Width of the feature rows that heads read: package::feature_columns().
  std::int64_t columns() const { return package::feature_columns(manifest_); }

 private:
  Status check_reading() const;
  Result<int> adapter_of(const std::string& name) const;
  Result<EncodedOrder> encode_order(const text::Pair& pair, const package::HeadSpec& head,
                                    text::Inputs& inputs) const;
  // What the head reads of the sequences, which move there; without features.
  Result<EncodedOrder> read_by(const package::HeadSpec& head, text::Inputs& inputs) const;
  Error too_long() const;

  std::shared_ptr<const Files> package_, base_;
  package::Manifest manifest_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  const families::Family* family_ = nullptr;
  Prefixes prefixes_ = Prefixes::kApart;
  std::shared_ptr<const text::InputBuilder> input_;
  features::Standardization statistics_;
};

}  // namespace preferd::scorer
