// A password takes an old board seconds to check: say so, and do not ask twice.
const form = document.querySelector("form.login");
form.addEventListener("submit", () => {
  const button = form.querySelector("button");
  button.disabled = true;
  button.textContent = "Checking";
});
