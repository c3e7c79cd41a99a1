var e=document.querySelector("form.login");e.addEventListener("submit",()=>{let t=e.querySelector("button");t.disabled=!0,t.textContent="Checking"});
