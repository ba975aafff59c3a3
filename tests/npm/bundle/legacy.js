// CommonJS, which bundlers wrap into a function.
exports.assigned = function (count) { // allocates "exports.assigned" 5000
  globalThis.kept.push(new Array(count));
};

function LegacyClass(count) { // allocates "LegacyClass" 5100
  this.points = new Array(count);
  globalThis.kept.push(this);
}

LegacyClass.prototype.method = function (count) { // allocates "LegacyClass.method" 5200
  globalThis.kept.push(new Array(count));
};

exports.LegacyClass = LegacyClass;
