#include "base/object_reader.h"

namespace preferd {

std::string path_under(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

Error ReaderVoice::wrong(const std::string& path, const Json& found, const std::string& what) const {
  return failed(path + (path.empty() ? "is " : " is ") + describe(found) + ", expected " + what);
}

Error ReaderVoice::missing(const std::string& path) const { return failed(path + " is missing"); }

Error ReaderVoice::unknown(const std::string& path, const std::string& key,
                           const std::set<std::string>&) const {
  return failed("unknown key " + path_under(path, key));
}

Error ReaderVoice::failed(const std::string& what) const { return invalid(what); }

Status ReadFaults::status() const {
  if (unknown && (!first || first_is_missing)) return *unknown;
  if (first) return *first;
  return Ok{};
}

ObjectReader::ObjectReader(const Json& json, std::string path, const ReaderVoice& voice, ReadFaults& faults)
    : json_(json), path_(std::move(path)), voice_(voice), faults_(faults) {
  if (!json_.is_object()) fail(voice_.wrong(path_, json_, voice_.wording.object));
}

bool ObjectReader::has(const char* key) {
  known_.insert(key);
  if (!json_.is_object()) return false;
  const auto it = json_.find(key);
  return it != json_.end() && !(it->is_null() && voice_.null == ReaderVoice::Null::kAbsent);
}

bool ObjectReader::need(const char* key) {
  if (has(key)) return true;
  if (!faults_.first) {
    faults_.first = voice_.missing(path(key));
    faults_.first_is_missing = true;
  }
  return false;
}

std::string ObjectReader::path(const char* key) const { return path_under(path_, key); }

ObjectReader ObjectReader::inner(const char* key) {
  has(key);
  return {at(key), path(key), voice_, faults_};
}

ObjectReader ObjectReader::element(const char* key, std::size_t index) {
  has(key);
  return {at(key)[index], path(key) + "[" + std::to_string(index) + "]", voice_, faults_};
}

void ObjectReader::fail(const std::string& what) { fail(voice_.failed(what)); }

void ObjectReader::fail(const Error& error) {
  if (!faults_.first) faults_.first = error;
}

void ObjectReader::wrong(const char* key, const std::string& what) {
  fail(voice_.wrong(path(key), at(key), what));
}

void ObjectReader::close() {
  if (voice_.keys == ReaderVoice::Keys::kOpen || !json_.is_object()) return;
  for (const auto& [key, value] : json_.items())
    if (!known_.contains(key) && !faults_.unknown) faults_.unknown = voice_.unknown(path_, key, known_);
}

void ObjectReader::field(Field field) {
  const bool there = field.traits.required ? need(field.name) : has(field.name);
  if (!there) return;
  const Json& value = at(field.name);
  if (field.kind == Field::Kind::kOther) {
    if (const Status s = field.read(value, path(field.name)); !s) fail(s.error());
  } else if (!field.set(value)) {
    wrong(field.name, expected(field, voice_.wording));
  }
}

void ObjectReader::section(const char* name, const char*, const std::function<void(Schema&)>& body) {
  const Json empty = Json::object();
  ObjectReader inner(has(name) ? json_.at(name) : empty, path(name), voice_, faults_);
  body(inner);
  inner.close();
}

void ObjectReader::tables(const char* name, const char* short_key, const char*, std::size_t,
                          const std::function<void(std::size_t)>& resize,
                          const std::function<void(Schema&, std::size_t)>& body) {
  if (!has(name)) return;
  const Json& found = json_.at(name);
  const Json list = found.is_array() ? found : Json::array({found});
  resize(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Json entry = list[i].is_string() ? Json{{short_key, list[i]}} : list[i];
    ObjectReader inner(entry, path(name) + "[" + std::to_string(i) + "]", voice_, faults_);
    body(inner, i);
    inner.close();
  }
}

}  // namespace preferd
